"""What a process of an executor can still do when its guests' sandbox has failed: real steps, every way out tried."""

import json
import os
import pwd
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.driver.executor_process import Executor, app, until
from tests.driver.go_guests import go_guest
from wasmdeploy_driver.errors import ExecutorError
from wasmdeploy_driver.executor.launch import Isolation
from wasmdeploy_driver.isolation import landlock, seccomp

INTRUDER = Path(__file__).with_name("intruder.py")
NOBODY = pwd.getpwnam("nobody")
# Python's place may be closed to other users, as in root's home: here the way there is open, for this process alone.
OPEN_PYTHON = """
set -e
mount -t tmpfs -o mode=755 none /mnt
mkdir /mnt/python && mount --bind "$1" /mnt/python
mount -t tmpfs -o mode=755 none "/$(echo "$1" | cut -d/ -f2)"
mkdir -p "$1" && mount --bind /mnt/python "$1"
shift
exec "$@"
"""
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="the agent runs as root, which is what there is to give up"
)


@pytest.fixture
def world(tmp_path):
    """A task's directories, its neighbours, and a process of root's with a secret in its environment."""
    task = tmp_path / "alloc" / "web"
    for each in ("local", "fixed", "private", "secrets"):
        (task / each).mkdir(parents=True)
    for each in (
        "cache",
        "state",
        "other-state",
        "alloc/alloc/logs",
        "alloc/other/local",
        "tmp",
        "volume",
        "books",
    ):
        (tmp_path / each).mkdir(parents=True)
    for each in (
        "alloc/web/local/file", "alloc/web/private/vault_token", "alloc/web/secrets/token", "alloc/other/local/file",
        "cache/mine.cwasm", "cache/other.cwasm", "state/launch.json", "state/control.sock", "other-state/launch.json",
        "books/file",
    ):  # fmt: skip
        (tmp_path / each).write_text("x")
    outsider = subprocess.Popen(["sleep", "600"], env={"VAULT_TOKEN": "of the agent"})
    (tmp_path / "outsider").write_text(str(outsider.pid))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0wasmdeploy-outsider-{outsider.pid}")
        listener.listen()
        yield tmp_path
    outsider.kill()
    outsider.wait()


def worked(step, world, *user):
    """What an intruder managed after that step."""
    command = [*(open_python() if user else ()), sys.executable, "-I", INTRUDER, step, world, *map(str, user)]
    environment = {"TMPDIR": str(world / "tmp"), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, cwd="/", env=environment
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_kernel_here_has_it_all():
    """Where tests run, Landlock keeps signals apart too, and there is a filter: or these tests would prove nothing."""
    assert landlock.version() >= 6
    assert seccomp.available()


OWN = ["read own code", "read own directory", "write own directory"]
VOLUMES = ["write volume", "read readonly volume"]


def test_an_executor_before_its_guests_are_loaded(world):
    """It reads and writes what is its task's and the cache, and nothing of the node's, the agent's or other tasks'."""
    assert worked("begin", world) == [
        *OWN, "write readonly directory", *VOLUMES, "read other code", "write cache", "read vault token",
        "read secrets", "write task directory", "read state", "write state", "write alloc", "read names",
        "become root", "start a program", "root by a program", "internet socket", "thread",
    ]  # fmt: skip


def test_the_stem(world):
    """It starts no program, and writes nowhere but in the task's directories."""
    found = worked("stem", world)
    assert {*VOLUMES, "write task directory"} <= set(found)
    assert not {"start a program", "write readonly volume"} & set(found)
    assert not {"write cache", "write state", "become root", "signal", "write kernel"} & set(found)


def test_an_executor_that_serves(world):
    """It opens its own code, its guests' directories as the job gives them, and what names are looked up with."""
    assert worked("front", world) == [
        *OWN, *VOLUMES, "read state", "read names", "start a program", "internet socket", "thread"
    ]  # fmt: skip


def test_an_engine_process(world):
    """It opens its own code and its guests' directories as the job gives them, and starts nothing."""
    assert worked("engine", world) == [*OWN, *VOLUMES, "internet socket", "thread"]


def statuses(executor):
    """The kernel's facts of every thread of every process of an app."""
    processes = [executor.process.pid, executor.stem().pid, *(each.pid for each in executor.engines())]
    found = [status for pid in processes for status in Path(f"/proc/{pid}/task").glob("*/status")]
    assert len(found) > len(processes)
    return [
        dict(line.split(":\t", 1) for line in each.read_text().splitlines() if ":\t" in line)
        for each in found
    ]


@pytest.mark.guests
def test_every_process_of_an_app(tmp_path):
    """Executor, stem and engine processes: every thread of each has no rights, cannot get any, and is filtered."""
    guest = go_guest("go-cgi")
    with Executor(tmp_path, app(guest), guest) as executor, ThreadPoolExecutor(4) as threads:
        executor.start()
        waiting = [threads.submit(executor.request, "/wait") for _ in range(3)]
        until(lambda: len(executor.engines()) >= 2)
        for facts in statuses(executor):
            assert (facts["NoNewPrivs"], facts["Seccomp"]) == ("1", "2"), facts
            for kind in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
                assert int(facts[kind], 16) == 0, facts
        (executor.task_dir / "data" / "go").touch()
        assert {each.result()[0] for each in waiting} == {200}
        assert executor.call("inspect")["state"] == "running"


def open_python():
    """What makes this Python readable for every user, where it is not."""
    place = Path(sys.base_prefix)
    if all(each.stat().st_mode & 0o001 for each in (place, *place.parents)):
        return ()
    return ("unshare", "--mount", "sh", "-c", OPEN_PYTHON, "sh", str(place))


@pytest.mark.guests
def test_a_task_of_another_user(tmp_path):
    """With a `user` every process is that user's, who reaches only what is open, and the app works as before."""
    guest = go_guest("go-cgi")
    isolation = Isolation(NOBODY.pw_uid, NOBODY.pw_gid)
    with (
        Executor(tmp_path, app(guest), guest, isolation=isolation, before=open_python()) as executor,
        ThreadPoolExecutor(4) as threads,
    ):
        tmp_path.chmod(0o700)  # the way of a task's files leads through directories of root's
        executor.state.chmod(0o700)
        (executor.task_dir / "data").chmod(0o777)
        executor.start()
        waiting = [threads.submit(executor.request, "/wait") for _ in range(3)]
        until(lambda: len(executor.engines()) >= 2)
        for facts in statuses(executor):
            assert set(facts["Uid"].split()) == {str(NOBODY.pw_uid)}, facts
            assert set(facts["Gid"].split()) == {str(NOBODY.pw_gid)}, facts
            assert facts["Groups"].strip() == ""
            assert int(facts["CapPrm"], 16) == 0
        until((executor.task_dir / "data" / "waiting").exists)
        assert (executor.task_dir / "data" / "waiting").stat().st_uid == NOBODY.pw_uid
        (executor.task_dir / "data" / "go").touch()
        assert {each.result()[0] for each in waiting} == {200}
        for line, code in (("cat /data/go", 0), ("cat /data/none", 1), ("invoke GET /", 0), ("stats", 0)):
            assert executor.call("exec", command=["sh", "-c", line], tty=False) == {"exit_code": code}, line
        executor.call("stop", timeout=30.0)
        assert executor.exit()["exit_code"] == 0


@pytest.mark.guests
@pytest.mark.skipif(not open_python(), reason="every user can read this Python")
def test_a_user_who_cannot_read_the_driver(tmp_path):
    """The start fails with what to do, and nothing is left running."""
    guest = go_guest("go-cgi")
    with Executor(tmp_path, app(guest), guest, isolation=Isolation(NOBODY.pw_uid, NOBODY.pw_gid)) as executor:
        with pytest.raises(ExecutorError, match=r"user \d+ cannot read /") as caught:
            executor.start()
        assert "where every user can read them" in caught.value.hint
        assert "cannot read" in executor.exit()["error"]


def test_an_intruder_in_a_task_of_another_user(world):
    """Beside all that is closed to root's: it cannot change the kernel's settings or its user."""
    world.chmod(0o755)
    found = worked("engine", world, NOBODY.pw_uid, NOBODY.pw_gid)
    assert found == ["read own code", "internet socket", "thread"]
