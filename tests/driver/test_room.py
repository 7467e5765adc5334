from pathlib import Path

import pytest

from wasmdeploy_driver.executor.launch import Cgroup, Launch
from wasmdeploy_driver.executor.room import Room
from wasmdeploy_driver.task import Task


@pytest.mark.parametrize(
    ("group", "marker", "names"),
    [
        ("cpuset/nomad/share", "", ("total_rss", "total_shmem")),
        ("task.scope", "task.scope/cgroup.controllers", ("anon", "shmem")),
    ],
)
def test_three_quarters_of_the_memory(tmp_path, group, marker, names):
    """There is room until three quarters are used by what the kernel cannot take back, on cgroup v1 and v2."""
    home = tmp_path / (group if marker else "memory/nomad/alloc.web")
    home.mkdir(parents=True)
    if marker:
        (tmp_path / marker).touch()
    cgroup = Cgroup(str(tmp_path / group), memory_bytes=1000)
    room = Room(Launch("alloc/web/hash", Task(), *(Path("/"),) * 4, cgroup=cgroup))
    for used, left in ((700, True), (800, False)):
        (home / "memory.stat").write_text(f"{names[0]} {used - 10}\n{names[1]} 10\nfile 5000\n")
        assert room.is_left() is left


def test_no_limit_known():
    """Without a limit there is always room."""
    assert Room(Launch("alloc/web/hash", Task(), *(Path("/"),) * 4)).is_left()
