"""Processes that stay the same ones."""

import dataclasses
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from wasmdeploy_driver.errors import ExecutorError
from wasmdeploy_driver.forked import start_time
from wasmdeploy_driver.runner.process import identify, process_table
from wasmdeploy_driver.runner.session import end_session

_NO_TEXT = b") \xff S"


@pytest.fixture
def child():
    process = subprocess.Popen(["sleep", "600"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


def test_identity_holds_while_it_runs(child):
    """A process is alive until it is killed, a zombie is not."""
    process = identify(child.pid)
    assert process.alive
    assert not process.join(0.01)
    assert process.send(signal.SIGKILL)
    assert process.join(10)
    assert not process.alive
    child.wait()
    assert not process.send(signal.SIGKILL)


def test_other_process_with_the_pid_is_left_alone(child):
    """With another start time or another boot it is somebody else, whatever the pid."""
    process = identify(child.pid)
    for other in (
        dataclasses.replace(process, start_time=process.start_time - 1),
        dataclasses.replace(process, boot_id="before"),
    ):
        assert not other.alive
        assert not other.send(signal.SIGKILL)
        assert other.join(0)
        end_session(other)
    assert process.alive


def test_a_process_may_go_by_any_bytes(child):
    """A name that is no text, which anybody's process may have, is nobody's trouble."""
    named = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"open('/proc/self/comm', 'wb').write({_NO_TEXT!r}); print(flush=True); input()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with named:
        named.stdout.readline()
        process = identify(named.pid)
        assert process.alive
        assert process_table()[named.pid].runs
        assert start_time(named.pid) == process.start_time
        end_session(identify(child.pid))
        named.stdin.write(b"\n")
    assert child.wait(10) == -signal.SIGKILL


def test_no_process_no_identity():
    """A pid that is free has no identity."""
    with pytest.raises(ExecutorError, match="ended at once"):
        identify(int(Path("/proc/sys/kernel/pid_max").read_text()) + 1)
