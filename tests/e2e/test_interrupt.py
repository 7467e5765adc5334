"""Ctrl-C while a deploy waits: it asks on a terminal, and lets the deploy go on elsewhere."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.cli import PROGRAM, environment
from tests.e2e.sample import Sample
from tests.e2e.world import World, eventually

pytestmark = [pytest.mark.stack, pytest.mark.guests, pytest.mark.timeout(600)]


@pytest.fixture
def waiting(world: World, tmp_path: Path) -> Iterator[Sample]:
    """An app that serves, and whose next version will not become healthy."""
    sample = Sample(tmp_path, "waiting", deploy={"host": '"waiting.localhost"'})
    world.cli("deploy", sample.write())
    sample.deploy["health_path"] = '"/teapot"'
    sample.write()
    yield sample
    world.cli("destroy", tmp_path)


def running(world: World) -> list[int]:
    """The versions whose instances run."""
    stubs = world.nomad("job/waiting/allocations")
    return sorted(each["JobVersion"] for each in stubs if each["ClientStatus"] == "running")


def test_without_a_terminal_the_deploy_goes_on(world: World, waiting: Sample) -> None:
    """It ends with 130 and says how to go on; the new version is left on its way."""
    env = environment(WASMDEPLOY_STACK_DIR=str(world.stack.data_dir))
    with subprocess.Popen(
        [PROGRAM, "deploy", waiting.directory], env=env, stderr=subprocess.PIPE, text=True,
        stdin=subprocess.DEVNULL, preexec_fn=_listen,  # noqa: PLW1509  # one call
    ) as process:  # fmt: skip
        eventually("the new version runs", lambda: running(world) == [0, 1])
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "It goes on without us: wasmdeploy status --watch; or: wasmdeploy rollback" in said
    assert "Traceback" not in said
    assert running(world) == [0, 1]
    world.cli("rollback", "--manifest", waiting.directory)
    assert len(running(world)) == 1
    assert world.get("waiting.localhost").status_code == 200


def test_on_a_terminal_it_asks(world: World, waiting: Sample) -> None:
    """`r` takes the new version back; the old one has served all the time."""
    env = environment(WASMDEPLOY_STACK_DIR=str(world.stack.data_dir), TERM="xterm")
    child, terminal = pty.fork()
    if child == 0:
        _listen()
        os.execve(PROGRAM, [str(PROGRAM), "deploy", str(waiting.directory)], env)
    try:
        eventually("the new version runs", lambda: running(world) == [0, 1])
        os.write(terminal, b"\x03")
        _read_until(terminal, b"Leave it running, or roll back?")
        os.write(terminal, b"r\n")
        _read_until(terminal, b"is taken back")
        _, code = os.waitpid(child, 0)
    finally:
        os.close(terminal)
    assert os.waitstatus_to_exitcode(code) == 130
    assert len(running(world)) == 1
    assert world.get("waiting.localhost").status_code == 200


def _read_until(terminal: int, words: bytes) -> None:
    seen = b""
    while words not in seen:
        seen += os.read(terminal, 4096)


def _listen() -> None:
    """A shell that runs the tests in the background makes them, and their children, deaf to Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
