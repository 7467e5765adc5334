"""Checks a guest's file without running it: what `build` and `deploy` ask before anything is sent."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from wasmdeploy_driver.errors import GuestError
from wasmdeploy_driver.guest.binary import Binary, app_form, command_form, inspect, require_served


@dataclass(frozen=True, slots=True)
class Checked:
    """A guest that can be run, its digest (`sha256:…`) and its size in bytes."""

    digest: str
    size: int
    binary: Binary


_DEBUG = (".debug_info", ".debug_line", "sourceMappingURL")


def unoffered(binary: Binary) -> tuple[str, ...]:
    """The imports of a component that no host function serves: a call of one traps."""
    from wasmdeploy_driver.guest.host import serves  # wasmtime loads its library

    return tuple(name for name in binary.imports if not serves(name)) if binary.component else ()


def debug_sections(path: Path) -> tuple[str, ...]:
    """The custom sections of debug information, those of modules in a component too; raises GuestError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise GuestError(f"{path}: {error.strerror}") from error
    # A section's name follows its length; a search finds it at any depth, and skips reading the nesting.
    return tuple(name for name in _DEBUG if bytes((len(name),)) + name.encode() in data)


def check_command_guest(path: Path) -> Checked:
    """Read and check a command; raises GuestError for anything that a node would refuse."""
    data = _read(path)
    binary = inspect(data, str(path))
    command_form(binary, str(path))
    return Checked(_digest(data), len(data), binary)


def check_app_guest(
    path: Path, *, engine: str = "", executor: str = "", entrypoint: str = "_start"
) -> Checked:
    """Read and check one guest of an app; raises GuestError for anything that a node would refuse."""
    data = _read(path)
    binary = inspect(data, str(path))
    if engine:
        require_served(binary, str(path))
    else:
        app_form(binary, str(path), wagi=executor == "wagi", entrypoint=entrypoint)
    return Checked(_digest(data), len(data), binary)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise GuestError(f"{path}: {error.strerror}", "build the app first: wasmdeploy build") from error


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()
