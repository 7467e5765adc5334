"""What a WebAssembly file is and how it can run, told from its names without compiling it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from wasmdeploy_driver.errors import GuestError
from wasmdeploy_driver.guest.sections import read_names

Form = Literal["http", "http+sockets", "command", "command+sockets", "module"]
"""What is compiled: a component composed with the HTTP adapter, a component that is a command, a preview 1 module.

With `sockets`, the adapter's stand between the component and the host's.
"""

_WASI_03 = re.compile(r"wasi:[a-z-]+/[a-z-]+@0\.3\.")
_CANDIDATE = re.compile(
    r"wasi:(?:cli|clocks|filesystem|http|io|random|sockets)/[a-z-]+@(0\.2\.0-rc-\d{4}-\d\d-\d\d)"
)
_HANDLER = re.compile(r"(?:wasi:http/incoming-handler@0\.2\.\d+|fermyon:spin/inbound-http)$")
_SERVED = re.compile(r"wasi:http/(?:incoming-handler@0\.2|handler@0\.3)\.\d+$")
_RUN = re.compile(r"wasi:cli/run@0\.2\.\d+$")
_PREVIEW_1 = "wasi_snapshot_preview1."
_START = "_start"
_SOCKETS = "wasi:sockets/"


@dataclass(frozen=True, slots=True)
class Binary:
    """The top-level imports and exports of a core module or a component.

    `typed`: a core module that carries its component's types, which the SDK would have made a component of.
    """

    component: bool
    imports: tuple[str, ...]
    exports: tuple[str, ...]
    typed: bool = False

    @property
    def interfaces(self) -> tuple[str, ...]:
        """The interfaces that it exports, or will as a component."""
        if self.component:
            return self.exports
        return tuple(name.partition("#")[0] for name in self.exports if self.typed and "#" in name)

    @property
    def handles_http(self) -> bool:
        """Whether it exports a handler for HTTP requests."""
        return any(_HANDLER.match(name) for name in self.interfaces)

    @property
    def wasi_03(self) -> bool:
        """Whether it uses WASI 0.3."""
        return any(_WASI_03.match(name) for name in (*self.imports, *self.exports))

    @property
    def needs_component(self) -> bool:
        """Whether it is a core module that can only run as a component."""
        return self.typed and any(not name.startswith(_PREVIEW_1) for name in self.imports)


def inspect(data: bytes, name: str) -> Binary:
    """Read a file's names; raises GuestError for what is no WebAssembly, or truncated."""
    if data[:4] != b"\0asm":
        raise GuestError(f"{name} is not a WebAssembly file", "build the app first: wasmdeploy build")
    version = data[4:8]
    if version not in (b"\x01\0\0\0", b"\x0d\0\x01\0"):
        raise GuestError(f"{name}: unknown WebAssembly version {version.hex() or 'none'}")
    component = version == b"\x0d\0\x01\0"
    try:
        names = read_names(data, component)
    except (IndexError, UnicodeDecodeError) as error:
        raise GuestError(f"{name} is truncated or damaged", "build it again, or copy it again") from error
    typed = not component and any(custom.startswith("component-type") for custom in names.custom)
    return Binary(component, tuple(names.imports), tuple(names.exports), typed)


def app_form(binary: Binary, name: str, *, wagi: bool = False, entrypoint: str = _START) -> Form:
    """How the guest answers HTTP; raises GuestError where it cannot.

    `wagi`: it prints its response, though it may export a handler too. A preview 1 module always does.
    """
    _check_versions(binary, name)
    if binary.handles_http and not wagi:
        return "http"
    if binary.component and not wagi:
        raise GuestError(
            f"{name} does not export wasi:http/incoming-handler@0.2 (it exports {_listed(binary.exports)})",
            'a command that prints its response needs `executor = { type = "wagi" }`'
            if _runs(binary)
            else "",
        )
    form = _command_form(binary, name, entrypoint)
    if form == "command" and entrypoint != _START:
        raise GuestError(f"{name} is a component, which has no entry point {entrypoint!r} to choose")
    return form


def with_sockets(form: Form, binary: Binary) -> Form:
    """The form of a guest that may open sockets, where it asks for any."""
    if not any(name.startswith(_SOCKETS) for name in binary.imports):
        return form
    match form:
        case "http":
            return "http+sockets"
        case "command":
            return "command+sockets"
        case _:
            return form


def require_served(binary: Binary, name: str) -> None:
    """Raise GuestError unless the wasmtime command line can serve the guest."""
    if not (binary.component and any(_SERVED.match(export) for export in binary.exports)):
        raise GuestError(
            f"{name} exports neither wasi:http/incoming-handler@0.2 nor wasi:http/handler@0.3 "
            f"(it exports {_listed(binary.exports)})",
            "leave out the engine" if binary.handles_http or not binary.component else "",
        )


def command_form(binary: Binary, name: str) -> Form:
    """How the guest is run as a command; raises GuestError where it cannot."""
    _check_versions(binary, name)
    return _command_form(binary, name, _START)


def _command_form(binary: Binary, name: str, entrypoint: str) -> Form:
    if binary.component:
        if not _runs(binary):
            raise GuestError(
                f"{name} does not export wasi:cli/run@0.2 (it exports {_listed(binary.exports)})",
                "it answers HTTP: make it an app's component" if binary.handles_http else "",
            )
        return "command"
    if binary.needs_component and _runs(binary):
        return "command"
    if entrypoint not in binary.exports:
        raise GuestError(f"{name} does not export {entrypoint} (it exports {_listed(binary.exports)})")
    return "command" if binary.needs_component else "module"


def _runs(binary: Binary) -> bool:
    return any(_RUN.match(name) for name in binary.interfaces)


def _check_versions(binary: Binary, name: str) -> None:
    for other in (*binary.imports, *binary.exports):
        if _WASI_03.match(other):
            raise GuestError(
                f"{name} is a WASI 0.3 component (it uses {_shown(other)}), which does not run in-process",
                "build it for WASI 0.2 (with componentize-py, a world that uses wasi:http@0.2), or set `engine = "
                '"wasmtime"` for the component',
            )
        if candidate := _CANDIDATE.match(other):
            raise GuestError(
                f"{name} is built for WASI {candidate[1]}, a release candidate (it uses {_shown(other)})",
                "build it again with an SDK for WASI 0.2.0 or later",
            )


def _listed(names: tuple[str, ...]) -> str:
    """Some of the names, fit for one line of a terminal: they are whatever the file says."""
    shown = [_shown(name) for name in names[:8]]
    return ", ".join([*shown, "…"] if len(names) > 8 else shown) or "nothing"


def _shown(name: str) -> str:
    return (name if name.isprintable() else repr(name))[:80]
