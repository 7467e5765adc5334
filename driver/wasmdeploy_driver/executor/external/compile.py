"""Compiling a guest for the wasmtime command line, by itself, into the cache of compiled guests."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from wasmdeploy_driver.errors import ExecutorError, GuestError
from wasmdeploy_driver.executor.external.child import in_one_line
from wasmdeploy_driver.executor.external.command import code_arguments, external_component
from wasmdeploy_driver.executor.guestfile import guest_file
from wasmdeploy_driver.executor.launch import Launch
from wasmdeploy_driver.executor.prepare import open_entry
from wasmdeploy_driver.guest.binary import Binary, require_served
from wasmdeploy_driver.guest.cache import Cache, Notify
from wasmdeploy_driver.task import Component


@dataclass(frozen=True, slots=True)
class ExternalGuest:
    """The component, what its file is, its compiled code as a descriptor, and the program that runs it."""

    component: Component
    binary: Binary
    code: int
    program: str


def compile_external(launch: Launch, notify: Notify) -> ExternalGuest | None:
    """The app's guest, where it runs under the wasmtime command line, read, checked and compiled.

    Like every compile, before the executor joins its cgroup. Raises ConfigError, GuestError, ExecutorError.
    """
    component = external_component(launch.task)
    if component is None:
        return None
    shown = f"component {component.name!r} ({component.source})"
    with guest_file(launch, component.source, component.digest, shown) as guest:
        require_served(guest.binary, shown)
        program = shutil.which("wasmtime")
        if program is None:
            raise ExecutorError(
                f'{shown} has engine = "wasmtime", and there is no wasmtime on this node',
                "install the wasmtime command line on the PATH of Nomad's agent, or leave out the engine",
            )
        arguments = code_arguments(launch.task.limits_of(component), guest.binary)

        def make(entry: Path) -> None:
            _compile(program, arguments, guest.read(), entry, shown)

        kind = f"wasmtime-{_fingerprint(program, arguments)}"
        entry = Cache(launch.cache, launch.cache_bytes).made(guest, kind, component.name, notify, make)
        return ExternalGuest(component, guest.binary, open_entry(entry), program)


def _fingerprint(program: str, arguments: list[str]) -> str:
    """Names this very program: another build of the same version may not load what this one compiled."""
    status = Path(program).resolve().stat()
    facts = f"{program} {status.st_size} {status.st_mtime_ns} {arguments}"
    return hashlib.sha256(facts.encode()).hexdigest()[:16]


def _compile(program: str, arguments: list[str], guest: bytes, entry: Path, shown: str) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=entry.parent, prefix=".compiling-")
    os.close(descriptor)
    try:
        with tempfile.TemporaryFile() as file:
            file.write(guest)
            file.flush()
            done = subprocess.run(
                ["nice", program, "compile", *arguments, "-o", temporary, f"/proc/self/fd/{file.fileno()}"],
                pass_fds=(file.fileno(),), stdin=subprocess.DEVNULL, capture_output=True, check=False,
            )  # fmt: skip
        if done.returncode:
            raise GuestError(f"{shown}: wasmtime cannot compile it: {in_one_line(done.stderr)}")
        Path(temporary).replace(entry)
    finally:
        Path(temporary).unlink(missing_ok=True)
