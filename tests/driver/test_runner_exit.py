"""How tasks end, when nobody is there to say so."""

import json

import pytest

from wasmdeploy_driver.runner import cgroup
from wasmdeploy_driver.runner.exit import ExitStatus, exit_without_record, last_log_line, read_exit


def test_exit_record_is_read(tmp_path):
    """Code, signal, memory and the error's line come from exit.json."""
    record = {"exit_code": 134, "signal": 0, "oom_killed": True, "error": "wasm trap: unreachable"}
    (tmp_path / "exit.json").write_text(json.dumps(record))
    assert read_exit(tmp_path) == ExitStatus(134, 0, True, "wasm trap: unreachable")


@pytest.mark.parametrize("text", ["", "{", "{}", "[]", "7", '{"exit_code": "x"}', '{"exit_code": []}'])
def test_broken_record_counts_as_none(tmp_path, text):
    """Half a record is no record."""
    (tmp_path / "exit.json").write_text(text)
    assert read_exit(tmp_path) is None


def test_record_behind_a_link_counts_as_none(tmp_path):
    """No link is followed out of the state directory."""
    (tmp_path / "elsewhere").write_text('{"exit_code": 0}')
    (tmp_path / "exit.json").symlink_to(tmp_path / "elsewhere")
    assert read_exit(tmp_path) is None


@pytest.mark.parametrize(
    ("wait_status", "oom", "status"),
    [
        (None, False, ExitStatus(137, 9)),
        (None, True, ExitStatus(137, 9, True)),
        (-11, False, ExitStatus(139, 11)),
        (3, False, ExitStatus(3, error="the executor ended on its own: boom")),
        (0, False, ExitStatus(1, error="the executor ended on its own: boom")),
    ],
)
def test_end_without_a_record(tmp_path, wait_status, oom, status):
    """The kernel's word counts where there is one, else it was SIGKILL; silence is never success."""
    (tmp_path / "executor.log").write_text("first\nboom\n\n")
    assert exit_without_record(tmp_path, wait_status, oom) == status


def test_no_log_has_no_last_line(tmp_path):
    """A missing log is said, not raised."""
    assert last_log_line(tmp_path) == "no word of why in its log"


def test_memory_kills_of_cgroup_v2(tmp_path):
    """memory.events counts them."""
    (tmp_path / "cgroup.controllers").touch()
    (tmp_path / "memory.events").write_text("low 0\nhigh 0\nmax 12\noom 1\noom_kill 2\n")
    assert cgroup.oom_kills(str(tmp_path), "a/t/1") == 2


def test_memory_kills_of_cgroup_v1(tmp_path):
    """With v1 the memory group follows from the task's id, as Nomad names only the shared cpuset."""
    (tmp_path / "memory/nomad/a-1.web").mkdir(parents=True)
    (tmp_path / "memory/nomad/a-1.web/memory.oom_control").write_text(
        "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n"
    )
    shared = str(tmp_path / "cpuset/nomad/share")
    assert cgroup.oom_kills(shared, "a-1/web/0a1b") == 1
    assert cgroup.oom_kills(shared, "a-1/other/0a1b") == 0
    assert cgroup.oom_kills("", "a-1/web/0a1b") == 0


def test_throttling_of_both_versions(tmp_path):
    """Both count periods; v2 counts microseconds, v1 nanoseconds."""
    shared = str(tmp_path / "cpuset/nomad/share")
    group = tmp_path / "cpu/nomad/a-1.web"
    group.mkdir(parents=True)
    (group / "cpu.stat").write_text("nr_periods 9\nnr_throttled 3\nthrottled_time 5000\n")
    assert cgroup.throttling(shared, "a-1/web/0a1b") == (3, 5000)
    assert cgroup.throttling(shared, "a-1/other/0a1b") == (0, 0)
    (tmp_path / "cgroup.controllers").touch()
    (tmp_path / "cpu.stat").write_text("usage_usec 7\nnr_throttled 4\nthrottled_usec 6\n")
    assert cgroup.throttling(str(tmp_path), "a-1/web/0a1b") == (4, 6000)
