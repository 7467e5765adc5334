"""Components whose imports are of another version than they were built for."""

from __future__ import annotations

import re

_IMPORTS = 10


def renamed(component: bytes, prefix: str, version: str) -> bytes:
    """The component with the imports that begin with `prefix` named at `version`."""

    def at_version(match: re.Match[bytes]) -> bytes:
        name = match[2] + b"@" + version.encode()
        return bytes((0, len(name))) + name

    pattern = re.compile(b"\\x00(.)(" + prefix.encode() + b"[a-z-]+)@0\\.2\\.[0-9]+", re.DOTALL)
    made, at = bytearray(component[:8]), 8
    while at < len(component):
        section = component[at]
        size, at = _number(component, at + 1)
        body = component[at : at + size]
        at += size
        if section == _IMPORTS:
            body = pattern.sub(at_version, body)
        made += bytes((section,)) + _leb(len(body)) + body
    return bytes(made)


def _number(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def _leb(value: int) -> bytes:
    made = bytearray()
    while value >= 0x80:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*made, value))
