"""Compiles one guest in a process of its own: `python -m wasmdeploy_driver.guest.compile FORM ENTRY [fuel]`.

Reads the guest on stdin, writes ENTRY atomically and one line of JSON on stdout: {"seconds": 1.5}, or
{"kind", "error", "hint"} and exit status 1.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import cast

import wasmtime

from wasmdeploy_driver.errors import GuestError, WasmdeployError
from wasmdeploy_driver.guest.binary import Form
from wasmdeploy_driver.guest.engine import Engine
from wasmdeploy_driver.guest.sandbox import first_line

_COMPONENT = b"\0asm\x0d\0\x01\0"


def compile_guest(guest: bytes, form: Form, *, fuel: bool = False) -> bytearray:
    """The compiled code of a guest; all but a plain command is composed with the adapter first.

    A core module becomes a component before that, unless its form is `module`.
    """
    engine = Engine(fuel=fuel)
    try:
        if form == "module":
            return wasmtime.Module(engine.raw, guest).serialize()
        if not guest.startswith(_COMPONENT):
            from wasmdeploy_driver.guest.componentize import componentize

            guest = componentize(guest)
        if form != "command":
            from wasmdeploy_driver.guest.compose import compose

            guest = compose(guest, form)
        return wasmtime.component.Component(engine.raw, guest).serialize()
    except wasmtime.WasmtimeError as error:
        raise GuestError(f"cannot be compiled: {first_line(error)}") from error


def write(compiled: bytes | bytearray, entry: Path) -> None:
    """Put the file in its place in one step, readable by its owner only."""
    descriptor, temporary = tempfile.mkstemp(dir=entry.parent, prefix=".compiling-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(compiled)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(entry)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def main() -> int:
    """Compile stdin into the entry named on the command line."""
    form, entry = cast(Form, sys.argv[1]), Path(sys.argv[2])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is our caller's business, which ends us
    os.nice(10)  # apps that serve on this machine go first
    started = time.monotonic()
    try:
        write(compile_guest(sys.stdin.buffer.read(), form, fuel=sys.argv[3:] == ["fuel"]), entry)
    except WasmdeployError as error:
        answer: dict[str, object] = {"kind": error.kind, "error": error.message, "hint": error.hint}
    except OSError as error:
        answer = {
            "kind": "ExecutorError",
            "error": f"compile cache: {error.strerror}",
            "hint": "free space, or move the cache",
        }
    else:
        answer = {"seconds": time.monotonic() - started}
    sys.stdout.write(json.dumps(answer) + "\n")
    return 1 if "error" in answer else 0


if __name__ == "__main__":
    sys.exit(main())
