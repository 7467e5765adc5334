import os

import pytest

from wasmdeploy_driver.errors import ExecutorError
from wasmdeploy_driver.executor.cgroup import join
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
    join(Cgroup(str(v2), 64 << 20, 1024), ID)
    assert content(v2) == {"memory.max": str(64 << 20), "cpu.weight": "39", "cgroup.procs": PID}


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


def test_a_group_that_refuses(v2):
    """A limit that cannot be set names its file."""
    (v2 / "memory.max").mkdir()
    with pytest.raises(ExecutorError, match=r"memory\.max"):
        join(Cgroup(str(v2), 1), ID)
