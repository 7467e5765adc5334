"""HCL literals: strings, lists, durations and aligned assignments as `nomad fmt` writes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_UNITS = (("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000), ("ms", 1_000_000))


def literal(value: Any) -> str:
    """A string, number, bool or list of strings."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(literal(item) for item in value)}]"
    return str(value)


def quote(text: str) -> str:
    """A quoted template that evaluates to `text`; what a terminal would not show is escaped."""
    quoted = "".join(_ESCAPES.get(char) or (char if char.isprintable() else _code(char)) for char in text)
    return f'"{quoted.replace("${", "$${").replace("%{", "%%{")}"'


def duration(nanoseconds: int) -> str:
    """A duration in the largest unit that divides it."""
    for unit, size in _UNITS:
        if nanoseconds and nanoseconds % size == 0:
            return quote(f"{nanoseconds // size}{unit}")
    return quote(f"{nanoseconds}ns") if nanoseconds else quote("0s")


def assignments(pairs: Iterable[tuple[str, Any]]) -> list[str]:
    """`key = value` lines with their equals signs aligned."""
    pairs = list(pairs)
    width = max((len(key) for key, _ in pairs), default=0)
    return [f"{key:<{width}} = {literal(value)}" for key, value in pairs]


def mapping(key: str, values: Mapping[str, str]) -> list[str]:
    """`key = {…}` over several lines; the keys are quoted because bare ones cannot hold every name."""
    return [f"{key} = {{", *indented(assignments((quote(name), text) for name, text in values.items())), "}"]


def indented(lines: Iterable[str]) -> list[str]:
    """The lines one level deeper."""
    return [f"  {line}" if line else "" for line in lines]


def _code(char: str) -> str:
    number = ord(char)
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"
