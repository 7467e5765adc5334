import re
from pathlib import Path

import pytest

from wasmdeploy_http import FetchError, fetch, variable, variables
from wasmdeploy_http.outbound import spelled

ROOT = Path(__file__).parent.parent.parent
WIT = (ROOT / "cli" / "wasmdeploy_cli" / "wit" / "wasmdeploy.wit").read_text()
(VARIANT,) = re.findall(r"variant error-code \{(.*?)\n    \}", WIT, re.S)
CODES = re.findall(r"^ +([A-Za-z-]+)", VARIANT, re.M)


def test_every_code_is_spelled_as_wasi_does():
    """The name of a generated class leads back to the code."""
    assert len(CODES) > 30
    for code in CODES:
        assert spelled(f"ErrorCode_{code.title().replace('-', '')}") == code


def test_an_error_says_what_failed():
    """The message has the URL, the code, and more where there is more."""
    assert str(FetchError("http://a/", "connection-refused")) == "http://a/: connection-refused"
    assert str(FetchError("http://a/", "DNS-error", "no host")) == "http://a/: DNS-error: no host"


@pytest.mark.parametrize(
    "call", [lambda: fetch("http://a.test/"), lambda: variable("a"), variables], ids=["fetch", "one", "all"]
)
def test_outside_a_component(call):
    """What needs a component says so, and what to do in a test."""
    with pytest.raises(RuntimeError, match="call it in handle; in a test, put a function in its place"):
        call()
