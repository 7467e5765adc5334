"""What a WebAssembly file is, read from its bytes without compiling it.

A file is a preamble (magic, version, layer) and sections (id, LEB128 size, body). Only the names that a core
module or a component imports and exports at its top level matter here; everything nested is skipped by size.
Source: the WebAssembly core and component-model binary formats.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from wasmdeploy_driver.errors import GuestError

Kind = Literal["http", "command", "module"]

_CORE_IMPORT, _CORE_EXPORT = 2, 7
_IMPORT, _EXPORT = 10, 11
_WASI_03 = re.compile(r"wasi:[a-z-]+/[a-z-]+@0\.3\.")
_HANDLER = re.compile(r"wasi:http/incoming-handler@0\.2\.\d+$")
_RUN = re.compile(r"wasi:cli/run@0\.2\.\d+$")


@dataclass(frozen=True, slots=True)
class Binary:
    """The top-level imports and exports of a core module or a component."""

    component: bool
    imports: tuple[str, ...]
    exports: tuple[str, ...]

    @property
    def kind(self) -> Kind:
        """How it runs: `http` (incoming-handler), `command` (wasi:cli/run), `module` (preview 1 `_start`)."""
        if not self.component:
            return "module"
        return "http" if any(_HANDLER.match(name) for name in self.exports) else "command"


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


def inspect(data: bytes, name: str) -> Binary:
    """Read a file's kind and names; raises GuestError for what is no WebAssembly, truncated, or WASI 0.3."""
    if data[:4] != b"\0asm":
        raise GuestError(f"{name} is not a WebAssembly file", "build the app first: wasmdeploy build")
    version = data[4:8]
    if version not in (b"\x01\0\0\0", b"\x0d\0\x01\0"):
        raise GuestError(f"{name}: unknown WebAssembly version {version.hex() or 'none'}")
    component = version == b"\x0d\0\x01\0"
    try:
        imports, exports = _names(data, component)
    except (IndexError, UnicodeDecodeError) as error:
        raise GuestError(f"{name} is truncated or damaged", "build it again, or copy it again") from error
    binary = Binary(component, tuple(imports), tuple(exports))
    for other in (*binary.imports, *binary.exports):
        if _WASI_03.match(other):
            raise GuestError(
                f"{name} is a WASI 0.3 component (it uses {_shown(other)}), which is not supported",
                "build it for WASI 0.2: with componentize-py, a world that uses wasi:http@0.2",
            )
    return binary


def require_app(binary: Binary, name: str) -> None:
    """Raise GuestError unless the guest can answer HTTP."""
    if binary.component and binary.kind != "http":
        found = _listed(binary.exports)
        raise GuestError(f"{name} does not export wasi:http/incoming-handler@0.2 (it exports {found})")
    if not binary.component:
        require_start(binary, name)


def require_start(binary: Binary, name: str) -> None:
    """Raise GuestError unless the guest can be run as a command."""
    found = _listed(binary.exports)
    if binary.component and not any(_RUN.match(export) for export in binary.exports):
        raise GuestError(f"{name} does not export wasi:cli/run@0.2 (it exports {found})")
    if not binary.component and "_start" not in binary.exports:
        raise GuestError(f"{name} does not export _start (it exports {found})")


def _listed(names: tuple[str, ...]) -> str:
    """Some of the names, fit for one line of a terminal: they are whatever the file says."""
    shown = [_shown(name) for name in names[:8]]
    return ", ".join([*shown, "…"] if len(names) > 8 else shown) or "nothing"


def _shown(name: str) -> str:
    return (name if name.isprintable() else repr(name))[:80]


def run_export(binary: Binary) -> str:
    """The full name of the component's wasi:cli/run export."""
    return next(name for name in binary.exports if _RUN.match(name))


def _names(data: bytes, component: bool) -> tuple[list[str], list[str]]:
    imports: list[str] = []
    exports: list[str] = []
    reader = _Reader(data, 8, len(data))
    while reader.at < reader.end:
        section, size = reader.byte(), reader.number()
        if reader.at + size > reader.end:
            raise IndexError
        body = _Reader(data, reader.at, reader.at + size)
        reader.at += size
        if component and section == _IMPORT:
            imports += [_component_import(body) for _ in range(body.number())]
        elif component and section == _EXPORT:
            exports += [_component_export(body) for _ in range(body.number())]
        elif not component and section == _CORE_IMPORT:
            imports += [_core_import(body) for _ in range(body.number())]
        elif not component and section == _CORE_EXPORT:
            exports += [_core_export(body) for _ in range(body.number())]
    return imports, exports


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
