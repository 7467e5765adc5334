"""The sections of a WebAssembly file: what it imports and exports, read without compiling it.

A file is a preamble (magic, version, layer) and sections (id, LEB128 size, body). Only the names that a core
module or a component imports and exports at its top level matter here, and those of custom sections;
everything nested is skipped by size. Source: the WebAssembly core and component-model binary formats.
"""

from __future__ import annotations

from dataclasses import dataclass, field

_CUSTOM, _CORE_IMPORT, _CORE_EXPORT = 0, 2, 7
_IMPORT, _EXPORT = 10, 11


@dataclass(frozen=True, slots=True)
class Names:
    """What stands in a file's sections, in order."""

    imports: list[str] = field(default_factory=list)
    exports: list[str] = field(default_factory=list)
    custom: list[str] = field(default_factory=list)


def read_names(data: bytes, component: bool) -> Names:
    """The names in a file's sections; raises IndexError or UnicodeDecodeError where it is damaged."""
    found = Names()
    reader = _Reader(data, 8, len(data))
    while reader.at < reader.end:
        section, size = reader.byte(), reader.number()
        if reader.at + size > reader.end:
            raise IndexError
        body = _Reader(data, reader.at, reader.at + size)
        reader.at += size
        if section == _CUSTOM:
            found.custom.append(body.text())
        elif component and section == _IMPORT:
            found.imports.extend(_component_import(body) for _ in range(body.number()))
        elif component and section == _EXPORT:
            found.exports.extend(_component_export(body) for _ in range(body.number()))
        elif not component and section == _CORE_IMPORT:
            found.imports.extend(_core_import(body) for _ in range(body.number()))
        elif not component and section == _CORE_EXPORT:
            found.exports.extend(_core_export(body) for _ in range(body.number()))
    return found


class _Reader:
    def __init__(self, data: bytes, start: int, end: int) -> None:
        self.data, self.at, self.end = data, start, end

    def byte(self) -> int:
        if self.at >= self.end:
            raise IndexError
        self.at += 1
        return self.data[self.at - 1]

    def number(self) -> int:
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value
            if shift > 63:
                raise IndexError

    def text(self) -> str:
        size = self.number()
        if self.at + size > self.end:
            raise IndexError
        self.at += size
        return self.data[self.at - size : self.at].decode()


def _component_name(body: _Reader) -> str:
    form = body.byte()
    name = body.text()
    if form == 2:  # the name carries options
        for _ in range(body.number()):
            body.byte(), body.text()
    return name


def _component_import(body: _Reader) -> str:
    name = _component_name(body)
    _extern(body)
    return name


def _component_export(body: _Reader) -> str:
    name = _component_name(body)
    if body.byte() == 0:  # a core sort has a second byte
        body.byte()
    body.number()
    if body.byte() == 1:
        _extern(body)
    return name


def _extern(body: _Reader) -> None:
    match body.byte():
        case 0:
            body.byte()
            body.number()
        case 2 | 3:
            if body.byte() == 0:
                body.number()
        case _:
            body.number()


def _core_import(body: _Reader) -> str:
    name = f"{body.text()}.{body.text()}"
    match body.byte():
        case 0:
            body.number()
        case 1:
            body.byte()
            _limits(body)
        case 2:
            _limits(body)
        case 3:
            body.byte(), body.byte()
        case _:
            body.byte(), body.number()
    return name


def _limits(body: _Reader) -> None:
    if body.byte() & 1:
        body.number()
    body.number()


def _core_export(body: _Reader) -> str:
    name = body.text()
    body.byte()
    body.number()
    return name
