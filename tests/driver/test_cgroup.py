import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.driver.executor_process import PATIENCE, Executor, app, until
from tests.driver.go_guests import go_guest
from tests.driver.test_console import run as console
from wasmdeploy_driver.errors import ExecutorError
from wasmdeploy_driver.executor.cgroup import clear, count, join
from wasmdeploy_driver.executor.launch import Cgroup

PID = str(os.getpid())
ID = "0a1b/web/5f5f"


def content(directory):
    return {
        file.name: file.read_text()
        for file in directory.iterdir()
        if file.is_file() and file.name != "cgroup.controllers"
    }


@pytest.fixture
def v2(tmp_path):
    """A group of cgroup v2."""
    (tmp_path / "cgroup.controllers").write_text("cpu memory")
    return tmp_path


def test_v2(v2):
    """On v2 the limits are set in the group and the process moves into it."""
    join(Cgroup(str(v2), 64 << 20, 1024, 100), ID)
    limits = {"memory.max": str(64 << 20), "cpu.weight": "39", "pids.max": "100"}
    assert content(v2) == {**limits, "cgroup.procs": PID}


@pytest.mark.parametrize(("shares", "weight"), [(1, "1"), (2, "1"), (262144, "10000"), (10**9, "10000")])
def test_v2_weights(v2, shares, weight):
    """Shares of any size become a weight that the kernel takes."""
    join(Cgroup(str(v2), 0, shares), ID)
    assert content(v2) == {"cpu.weight": weight, "cgroup.procs": PID}


def test_v2_without_limits(v2):
    """Without limits only the process moves."""
    join(Cgroup(str(v2)), ID)
    assert content(v2) == {"cgroup.procs": PID}


def test_v1(tmp_path):
    """On v1 the process moves into the cpuset group and its own group of each controller, limits included."""
    cpuset = tmp_path / "cpuset" / "nomad" / "share"
    groups = {name: tmp_path / name / "nomad" / "0a1b.web" for name in ("freezer", "cpu", "memory")}
    for directory in (cpuset, *groups.values()):
        directory.mkdir(parents=True)
    join(Cgroup(str(cpuset), 1 << 20, 1), ID)
    assert content(cpuset) == {"cgroup.procs": PID}
    assert content(groups["freezer"]) == {"cgroup.procs": PID}
    assert content(groups["cpu"]) == {"cpu.shares": "2", "cgroup.procs": PID}
    assert content(groups["memory"]) == {"memory.limit_in_bytes": str(1 << 20), "cgroup.procs": PID}


def test_v1_without_controllers(tmp_path):
    """A controller that Nomad has not set up is left alone."""
    cpuset = tmp_path / "cpuset" / "nomad" / "share"
    cpuset.mkdir(parents=True)
    join(Cgroup(str(cpuset), 1 << 20, 100), ID)
    assert content(cpuset) == {"cgroup.procs": PID}


def test_v1_counts_processes(tmp_path):
    """On v1 each start of a task has a group of its own that counts processes, until it is cleared."""
    cgroup = Cgroup(str(tmp_path / "cpuset" / "nomad" / "share"), processes=100)
    (tmp_path / "pids").mkdir()
    count(cgroup, ID)
    group = tmp_path / "pids" / "nomad" / "0a1b.web.5f5f"
    assert content(group) == {"pids.max": "100", "cgroup.procs": PID}
    for file in group.iterdir():  # as the kernel does
        file.unlink()
    clear(cgroup, ID, 0)
    assert not group.exists()
    clear(cgroup, ID, 0)


@pytest.mark.parametrize("name", ["", "..", "//", "a//b", "a/b", "a/b/c/d"])
def test_ids_that_name_no_start(tmp_path, name):
    """An id that Nomad would not give has no group."""
    (tmp_path / "pids").mkdir()
    cgroup = Cgroup(str(tmp_path / "cpuset" / "share"), processes=100)
    count(cgroup, name)
    clear(cgroup, name, 0)
    assert content(tmp_path / "pids") == {}
    assert not (tmp_path / "pids" / "nomad").exists()


def test_v1_without_a_limit_of_processes(tmp_path):
    """Without a limit, or without the controller, there is no such group."""
    count(Cgroup(str(tmp_path / "cpuset" / "share"), processes=100), ID)
    (tmp_path / "pids").mkdir()
    count(Cgroup(str(tmp_path / "cpuset" / "share")), ID)
    assert not (tmp_path / "pids" / "nomad").exists()


PIDS = Path("/sys/fs/cgroup/pids")


@pytest.fixture
def counted(tmp_path):
    """An app whose processes the kernel counts, and its group."""
    cgroup = Cgroup("/sys/fs/cgroup/cpuset/none", processes=1000)
    name = f"{os.getpid()}/web/{tmp_path.name}"
    group = PIDS / "nomad" / name.replace("/", ".")
    with Executor(tmp_path, app(go_guest()), go_guest(), id=name, cgroup=cgroup) as executor:
        yield executor.start(), group
    clear(cgroup, name, PATIENCE)
    assert not group.exists()


def number(file: Path) -> int:
    return int(file.read_text())


@pytest.mark.guests
@pytest.mark.skipif(os.geteuid() or not PIDS.is_dir(), reason="needs cgroup v1 and root")
def test_an_app_at_its_limit_of_processes(counted):
    """Where no more processes can be had, requests wait for those that there are; then all is well again."""
    executor, group = counted
    assert number(group / "pids.max") == 1000
    members = {executor.process.pid, executor.stem().pid}
    assert members == set(map(int, (group / "cgroup.procs").read_text().split()))
    data = executor.task_dir / "data"
    with ThreadPoolExecutor(2) as aside:
        first = aside.submit(executor.request, "/wait")
        until((data / "waiting").exists)
        (group / "pids.max").write_text(str(number(group / "pids.current")))
        second = aside.submit(executor.request, "/")
        until(lambda: "no engine process can be forked" in executor.log())
        with pytest.raises(ExecutorError, match="console cannot be started"):
            console(executor, "routes")
        assert executor.call("inspect")["in_flight"]
        (data / "go").touch()
        assert first.result()[2] == b"waited\n"
        assert second.result()[2] == b"hello from Go\n"
    (group / "pids.max").write_text("1000")
    assert console(executor, "routes")[0] == 0


def test_a_group_that_refuses(v2):
    """A limit that cannot be set names its file."""
    (v2 / "memory.max").mkdir()
    with pytest.raises(ExecutorError, match=r"memory\.max"):
        join(Cgroup(str(v2), 1), ID)
