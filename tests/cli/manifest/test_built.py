import hashlib

import pytest

from tests.cli.manifest.sample import SMALL, app
from wasmdeploy_cli.errors import GuestError
from wasmdeploy_cli.manifest import digests, require_built


def test_not_built(tmp_path):
    """A component that is not built is named, with the command that builds it."""
    with pytest.raises(GuestError) as caught:
        require_built(app(tmp_path))
    assert caught.value.message == f"component 'web' is not built: no file {tmp_path}/web.wasm"
    assert "[component.web.build]" in caught.value.hint
    with pytest.raises(GuestError) as caught:
        require_built(app(tmp_path, SMALL + '[component.web.build]\ncommand = "make"'))
    assert caught.value.hint == "run `wasmdeploy build`"


def test_digests(tmp_path):
    """A built component has the digest of its file."""
    (tmp_path / "web.wasm").write_bytes(b"\0asm")
    assert require_built(app(tmp_path)) == {"web": tmp_path / "web.wasm"}
    assert digests(app(tmp_path)) == {"web": "sha256:" + hashlib.sha256(b"\0asm").hexdigest()}
