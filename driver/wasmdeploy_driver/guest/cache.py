"""The compile cache: compiled guests by content digest and engine, one compile at a time for each.

An entry is only trusted when it is as it was written and nobody else could have written it, since wasmtime
runs what it maps. A compile happens in a process of its own: it may use threads and a gigabyte, which the app's process
and its cgroup must never pay for, and a crash in it takes nothing else along.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from wasmdeploy_driver.errors import ExecutorError, GuestError, from_kind
from wasmdeploy_driver.guest.binary import Form
from wasmdeploy_driver.guest.engine import fingerprint
from wasmdeploy_driver.guest.entries import seal, shrink, trusted

Notify = Callable[[str, str], None]


class Guest(Protocol):
    """What is compiled: its digest (`sha256:…`), its size in bytes, and its bytes once they are needed."""

    @property
    def digest(self) -> str: ...

    @property
    def size(self) -> int: ...

    def read(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Cache:
    """Compiled guests below `directory`, which is made private to this user and kept below `most_bytes`."""

    directory: Path
    most_bytes: int = 8 << 30

    def compiled(self, guest: Guest, form: Form, name: str, notify: Notify, *, fuel: bool = False) -> Path:
        """The compiled file of a guest, made first where it is missing; raises GuestError, ExecutorError.

        With `fuel` it counts its instructions. `notify` gets ("compiling" | "compiled" | "cached", text) as it goes.
        """

        def make(entry: Path) -> None:
            _compile(guest.read(), form, entry, name, fuel=fuel)

        kind = f"{form}-{fingerprint(fuel=fuel)[:16]}"
        return self.made(guest, kind, name, notify, make)

    def made(self, guest: Guest, kind: str, name: str, notify: Notify, make: Callable[[Path], None]) -> Path:
        """What `make` makes of a guest, in one step where it is missing; raises what `make` raises, ExecutorError.

        `kind` tells apart what is made of one guest.
        """
        key = f"{guest.digest.removeprefix('sha256:')}-{kind}"
        self._prepare()
        try:
            return self._entry(self.directory / f"{key}.cwasm", guest.size, name, notify, make)
        except OSError as error:
            where = error.filename or self.directory
            raise ExecutorError(
                f"compile cache: {where}: {error.strerror}", "see that it can be written"
            ) from error

    def _entry(self, entry: Path, size: int, name: str, notify: Notify, make: Callable[[Path], None]) -> Path:
        if trusted(entry):
            notify("cached", f"{name}: compiled code is in the cache")
            return entry
        with self._locked(entry):
            if not trusted(entry):  # another process may have finished it while we waited
                notify("compiling", f"{name}: compiling {size / 1e6:.1f} MB")
                started = time.monotonic()
                make(entry)
                seal(entry)
                shrink(self.directory, self.most_bytes)
                notify("compiled", f"{name}: compiled in {time.monotonic() - started:.1f} s")
        return entry

    def _prepare(self) -> None:
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = self.directory.stat()
        except OSError as error:
            raise ExecutorError(f"compile cache {self.directory}: {error.strerror}") from error
        if status.st_uid != os.geteuid() or status.st_mode & 0o022:
            raise ExecutorError(
                f"compile cache {self.directory} can be written by other users",
                f"use another directory, or make it yours alone: chmod 700 {self.directory}",
            )

    @contextmanager
    def _locked(self, entry: Path) -> Iterator[None]:
        # The lock file stays: removing it would let two processes hold "the" lock on different files.
        descriptor = os.open(entry.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _compile(guest: bytes, form: Form, entry: Path, name: str, *, fuel: bool) -> None:
    command = [sys.executable, "-I", "-m", "wasmdeploy_driver.guest.compile", form, str(entry)]
    command += ["fuel"] if fuel else []
    done = subprocess.run(command, input=guest, capture_output=True, check=False)
    try:
        answer = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no output"]
        error = f"{name}: the compiler ended with status {done.returncode}: {last[0]}"
        if done.returncode < 0:  # killed, most often for memory: another time there may be more
            raise ExecutorError(error) from None
        raise GuestError(error) from None
    if "error" in answer:
        raise from_kind(answer["kind"], f"{name}: {answer['error']}", answer["hint"])
