"""The console of one of an app's instances: a line of it, or this terminal until it is left."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import termios
import threading
import tty
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from wasmdeploy_cli.deployment.target import Target
from wasmdeploy_cli.errors import DeployError
from wasmdeploy_cli.nomad import Nomad, Settings
from wasmdeploy_cli.nomad.exec import Exec, running

_SHELL = "/bin/sh"  # what the console answers to
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Instance:
    """A running instance: the allocation and its task."""

    allocation: str
    task: str


@dataclass(frozen=True, slots=True)
class Said:
    """What a line printed, and its exit code."""

    stdout: bytes
    stderr: bytes
    code: int


def instance(nomad: Nomad, target: Target, wanted: str) -> Instance:
    """The newest running instance, or the one whose id begins with `wanted`; raises DeployError."""
    found = sorted(
        (each for each in nomad.allocations(target.name) if each["ClientStatus"] == "running"),
        key=lambda each: (each["DesiredStatus"] == "run", each["CreateTime"]),
        reverse=True,
    )
    if not found:
        raise DeployError(f"no instance of {target.name} runs", "see: wasmdeploy status")
    for each in found:
        if each["ID"].startswith(wanted):
            return Instance(each["ID"], next(iter(each["TaskStates"])))
    known = ", ".join(each["ID"][:8] for each in found)
    raise DeployError(f"no running instance of {target.name} begins with {wanted!r}", f"these run: {known}")


def command_of(words: Sequence[str]) -> list[str]:
    """What to ask the console for: one word is a line (it may have `;` in it), none is the console itself."""
    if not words:
        return [_SHELL]
    return [_SHELL, "-c", words[0]] if len(words) == 1 else list(words)


def converse(settings: Settings, namespace: str, where: Instance, words: Sequence[str]) -> int:
    """Connect this process's streams with the console and give the exit code; raises ClusterError, DeployError."""
    terminal = os.isatty(0) and os.isatty(1)
    outputs = {"stdout": sys.stdout.fileno(), "stderr": sys.stderr.fileno()}
    with (
        running(
            settings, namespace, where.allocation, where.task, command_of(words), tty=terminal
        ) as session,
        _raw(session) if terminal else _plain(),
    ):
        threading.Thread(target=_pump, args=(session,), daemon=True).start()
        return _told(session, outputs)


def collect(settings: Settings, namespace: str, where: Instance, words: Sequence[str]) -> Said:
    """Run a line without any input and give all that it prints; raises ClusterError, DeployError."""
    said = {"stdout": b"", "stderr": b"", "exit": b""}
    with running(settings, namespace, where.allocation, where.task, command_of(words), tty=False) as session:
        session.finish()
        for name, data in session.output():
            said[name] += data
    return Said(said["stdout"], said["stderr"], int(said["exit"]))


def _told(session: Exec, outputs: dict[str, int]) -> int:
    for name, data in session.output():
        if name == "exit":
            return int(data)
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(outputs[name], rest) :]
    return 1  # never reached: without an exit code, `output` raises


def _pump(session: Exec) -> None:
    while data := os.read(0, _CHUNK):
        session.send(data)
    session.finish()


@contextmanager
def _plain() -> Iterator[None]:
    yield


@contextmanager
def _raw(session: Exec) -> Iterator[None]:
    """Every key goes to the console, which is told the terminal's size now and whenever that changes."""

    def tell() -> None:
        session.resize(*shutil.get_terminal_size())

    def changed(*_: object) -> None:
        threading.Thread(
            target=tell, daemon=True
        ).start()  # a handler must not wait for the connection's locks

    before = termios.tcgetattr(0)
    previous = signal.signal(signal.SIGWINCH, changed)
    try:
        tty.setraw(0)
        tell()
        yield
    finally:
        signal.signal(signal.SIGWINCH, previous)
        termios.tcsetattr(0, termios.TCSADRAIN, before)
