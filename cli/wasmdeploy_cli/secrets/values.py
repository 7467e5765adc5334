"""Values that people hand over: from a file, a terminal or standard input, never from an argument."""

from __future__ import annotations

import getpass
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from wasmdeploy_cli.errors import ConfigError
from wasmdeploy_driver.secrets import Secret

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)", re.S)
_TEXT = "a secret is text: encode what is not, in base64 for instance"
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "$": "$"}


def read_value(name: str, file: Path | None) -> Secret:
    """The value of one secret, without a last newline; `-` is standard input."""
    if file is not None and str(file) != "-":
        return Secret(_text(file).removesuffix("\n"))
    if file is None and sys.stdin.isatty():
        value = getpass.getpass(f"Value of {name}: ")
        if getpass.getpass("Again: ") != value:
            raise ConfigError("the two values differ", "type it again; nothing was stored")
        return Secret(value)
    value = _standard_input()
    if not value:  # not even a newline, as from a command that failed
        raise ConfigError(
            f"standard input is empty: there is no value for {name}",
            f"to remove it: wasmdeploy secrets unset {name}",
        )
    return Secret(value.removesuffix("\n"))


def read_file(file: Path) -> dict[str, Secret]:
    """Names and values from a file of `NAME=value` lines or one JSON object; `-` is standard input."""
    text, where = (_standard_input(), "standard input") if str(file) == "-" else (_text(file), str(file))
    return _json(text, where) if text.lstrip().startswith("{") else parse_lines(text, where)


def parse_lines(text: str, where: str) -> dict[str, Secret]:
    """Read `NAME=value`, as .env files have it; an error names the line and never shows it.

    Quotes around a value are dropped: 'single' takes it as it is, "double" knows \\n, \\t, \\r, \\", \\\\ and \\$.
    """
    values: dict[str, Secret] = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()  # noqa: PLW2901  the line without its blanks
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        value = _unquoted(match[2]) if match else None
        if match is None or value is None:
            raise ConfigError(
                f"{where}: line {number} is not NAME=value", "quote values that hold quotes or #"
            )
        if match[1] in values:
            raise ConfigError(f"{where}: line {number} gives {match[1]} a second time", "keep one of the two")
        values[match[1]] = Secret(value)
    return values


def _unquoted(text: str) -> str | None:
    """The value without its quotes, None where they do not match."""
    if text[:1] == "'":
        return text[1:-1] if len(text) > 1 and text.endswith("'") and "'" not in text[1:-1] else None
    if text[:1] == '"':
        inner = re.fullmatch(r'"((?:[^"\\]|\\.)*)"', text)
        return re.sub(r"\\(.)", lambda each: _ESCAPES.get(each[1], each[0]), inner[1]) if inner else None
    return text if not re.search(r"""\s#|['"]""", text) else None


def _json(text: str, where: str) -> dict[str, Secret]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, Mapping) or not all(isinstance(value, str) for value in found.values()):
        raise ConfigError(
            f"{where}: not one JSON object with texts as values", 'write it as {"name": "value"}'
        )
    return {name: Secret(value) for name, value in found.items()}


def _standard_input() -> str:
    try:
        return sys.stdin.read()
    except UnicodeDecodeError as error:
        raise ConfigError("standard input: not UTF-8 text", _TEXT) from error


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError as error:
        raise ConfigError(
            f"{file}: {error.strerror}", "name a file that can be read, or - for standard input"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: not UTF-8 text", _TEXT) from error
