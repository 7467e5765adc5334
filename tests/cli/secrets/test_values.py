"""Values from files."""

from __future__ import annotations

from pathlib import Path

import pytest

from wasmdeploy_cli.errors import ConfigError
from wasmdeploy_cli.secrets.values import parse_lines, read_file, read_value


def parsed(text: str) -> dict[str, str]:
    """What lines give, in the open."""
    return {name: value.reveal() for name, value in parse_lines(text, "x.env").items()}


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("a=1", "1"),
        ("  export a = 1  ", "1"),
        ("a=", ""),
        ("a=x=y#z", "x=y#z"),
        ("a='it # $is \\n'", "it # $is \\n"),
        (r'a="say \"hi\"\n\$x \\ \q"', 'say "hi"\n$x \\ \\q'),
        ("# b=2\n\na=é", "é"),
    ],
)
def test_lines(line: str, value: str) -> None:
    """NAME=value, with or without quotes, as .env files have it."""
    assert parsed(line) == {"a": value}


@pytest.mark.parametrize(
    "line",
    ["s3cret", "=s3cret", "1a=s3cret", "a='s3cret", 'a="s3cret', "a='s3'cret'", 'a=s3"cret', "a=s3cret # x"],
)
def test_lines_that_are_none(line: str) -> None:
    """A line that could mean two things is an error with its number, and never shown."""
    with pytest.raises(ConfigError, match=r"x\.env: line 2 is not NAME=value") as caught:
        parsed(f"# first\n{line}")
    assert "cret" not in caught.value.message + caught.value.hint


def test_a_name_twice() -> None:
    """A name that comes twice is an error: which value was meant is not ours to guess."""
    with pytest.raises(ConfigError, match="line 2 gives a a second time"):
        parsed("a=1\na=2")


def test_json(tmp_path: Path) -> None:
    """A JSON object of texts is read, too."""
    (tmp_path / "x").write_text(' {"a": "1\\n"}')
    assert read_file(tmp_path / "x")["a"].reveal() == "1\n"


@pytest.mark.parametrize("text", ['{"a": 5}', '{"a": "s3cret"', '{"a": {"b": "s3cret"}}'])
def test_json_that_is_none(tmp_path: Path, text: str) -> None:
    """Anything else is an error that shows nothing of it."""
    (tmp_path / "x").write_text(text)
    with pytest.raises(ConfigError, match="not one JSON object with texts") as caught:
        read_file(tmp_path / "x")
    assert "s3cret" not in str(caught.value)


def test_one_value(tmp_path: Path) -> None:
    """A file's last newline is dropped, one and no more."""
    (tmp_path / "x").write_text("a\n\n")
    assert read_value("x", tmp_path / "x").reveal() == "a\n"


@pytest.mark.parametrize("content", [None, b"\xff"])
def test_files_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    """A file that is missing or no text is named."""
    if content is not None:
        (tmp_path / "x").write_bytes(content)
    with pytest.raises(ConfigError, match=str(tmp_path / "x")):
        read_file(tmp_path / "x")
