"""Processes known by more than their number."""

import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from wasmdeploy_cli.errors import StackError
from wasmdeploy_cli.stack import processes


def spawned_python(code: str, log: Path, **environment: str) -> processes.Process:
    return processes.spawned([sys.executable, "-I", "-c", code], log, environment)


def wait_for(log: Path, text: str) -> None:
    deadline = time.monotonic() + 60
    while text not in (log.read_text() if log.exists() else ""):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_spawned(tmp_path: Path) -> None:
    """A process has its own session, only the environment it was given, and its output in the log."""
    log = tmp_path / "log"
    code = (
        "import os, sys\n"
        "print(os.getsid(0) == os.getpid(), sorted(os.environ.items()), flush=True)\n"
        "print('to stderr', file=sys.stderr, flush=True)"
    )
    process = spawned_python(code, log, A="b", LC_ALL="C.UTF-8")
    wait_for(log, "to stderr")
    assert log.read_text() == "True [('A', 'b'), ('LC_ALL', 'C.UTF-8')]\nto stderr\n"
    processes.stopped([process], 5)
    assert not processes.alive(process)


def test_stopped(tmp_path: Path) -> None:
    """SIGTERM comes first, and leaves the process its time."""
    log = tmp_path / "log"
    code = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('bye', flush=True), sys.exit()))\n"
        "print('ready', flush=True); time.sleep(100)"
    )
    process = spawned_python(code, log)
    wait_for(log, "ready")
    assert processes.alive(process)
    processes.stopped([process], 20)
    assert not processes.alive(process)
    assert "bye" in log.read_text()


def test_stopped_stubborn(tmp_path: Path) -> None:
    """A process that ignores SIGTERM is killed."""
    log = tmp_path / "log"
    code = (
        "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(100)"
    )
    process = spawned_python(code, log)
    wait_for(log, "ready")
    processes.stopped([process], 0.1)
    assert not processes.alive(process)


def test_stopped_together(tmp_path: Path) -> None:
    """Several stubborn processes take the time of one."""
    code = (
        "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(100)"
    )
    several = [spawned_python(code, tmp_path / f"log-{number}") for number in range(4)]
    for number in range(4):
        wait_for(tmp_path / f"log-{number}", "ready")
    begun = time.monotonic()
    processes.stopped(several, 2)
    assert time.monotonic() - begun < 2 * len(several)
    assert not [process for process in several if processes.alive(process)]


@pytest.mark.parametrize("change", [{"started": 1}, {"boot": "another"}])
def test_reused_number(tmp_path: Path, change: dict[str, object]) -> None:
    """A process that merely has the number of ours is neither taken for it nor touched."""
    log = tmp_path / "log"
    process = spawned_python("import time; print('ready', flush=True); time.sleep(100)", log)
    wait_for(log, "ready")
    other = replace(process, **change)
    assert not processes.alive(other)
    processes.stopped([other], 5)
    assert processes.alive(process)
    processes.stopped([process], 5)


def test_ended_process(tmp_path: Path) -> None:
    """A process that ended by itself is dead, not a zombie, and stopping it is no error."""
    process = spawned_python("print('done', flush=True)", tmp_path / "log")
    fd = os.pidfd_open(process.pid)
    os.waitid(os.P_PIDFD, fd, os.WEXITED | os.WNOWAIT)
    os.close(fd)
    assert not processes.alive(process)
    processes.stopped([process], 5)
    with pytest.raises(ChildProcessError):
        os.waitpid(process.pid, os.WNOHANG)


def test_missing_program(tmp_path: Path) -> None:
    """A program that cannot be started is one clear error."""
    with pytest.raises(StackError, match=r"/absent cannot be started: No such file"):
        processes.spawned(["/absent"], tmp_path / "log", {})


def test_every() -> None:
    """The machine's processes include this one."""
    assert os.getpid() in {process.pid for process in processes.every()}


def test_last_lines(tmp_path: Path) -> None:
    """The end of a log is shown, also of one that is empty or missing."""
    log = tmp_path / "log"
    assert processes.last_lines(log) == "(no log)"
    log.touch()
    assert processes.last_lines(log) == "(the log is empty)"
    log.write_bytes(b"\xff\n" + b"".join(b"line %d\n" % number for number in range(5000)))
    assert processes.last_lines(log, 2) == "line 4998\nline 4999"
