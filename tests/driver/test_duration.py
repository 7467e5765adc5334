import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wasmdeploy_driver.duration import seconds
from wasmdeploy_driver.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("0s", 0),
        ("30s", 30),
        ("250ms", 0.25),
        ("1m30s", 90),
        ("1.5h", 5400),
        ("1h1m1s1ms", 3661.001),
    ],
)
def test_durations(text, expected):
    """A duration is numbers with units; only 0 needs none."""
    assert seconds(text, "x") == pytest.approx(expected)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "s",
        "-1s",
        "1 s",
        "1s ",
        "1S",
        "1d",
        "1s1",
        "1..5s",
        ".5s",
        "1e3s",
        "٣s",
        "inf",
        "nan",
        "00",
        "1s\n",
    ],
)
def test_no_durations(text):
    """What is no duration is refused, and the place is named."""
    with pytest.raises(ConfigError, match=r"limits\.timeout"):
        seconds(text, "limits.timeout")


@pytest.mark.parametrize("text", ["9" * 400 + "h", "100000h"])
def test_absurd_durations(text):
    """A duration of decades is a slip."""
    with pytest.raises(ConfigError, match="too long"):
        seconds(text, "x")


@given(st.text())
def test_any_text(text):
    """Any text is a finite duration or a ConfigError."""
    with contextlib.suppress(ConfigError):
        assert 0 <= seconds(text, "x") < 1e9
