"""What is stored of a task: by Nomad, and in its state directory."""

import re
from pathlib import Path

import pytest

from wasmdeploy_driver.errors import ConfigError
from wasmdeploy_driver.runner.spawn import all_starts, directory_of, discard, read_record
from wasmdeploy_driver.runner.state import State

STATE = State(4, 1234, "boot", Path("/data/tasks/x"), 1_700_000_000.5, "/sys/fs/cgroup/nomad.slice/x", 2)


def test_state_survives_the_trip_through_nomad():
    """State decodes to itself, floats and paths included."""
    assert State.from_bytes(STATE.to_bytes()) == STATE


def test_state_of_version_1_stays_readable():
    """Handles that running tasks have stored are read by every later plugin."""
    stored = (
        b'{"version": 1, "pid": 4, "start_time": 1234, "boot_id": "boot", "directory": "/data/tasks/x",'
        b' "started_at": 1700000000.5, "cgroup": "/sys/fs/cgroup/nomad.slice/x", "oom_kills": 2}'
    )
    assert State.from_bytes(stored) == STATE


@pytest.mark.parametrize("stored", [b"", b"[]", b'{"version": 2}', b'{"version": 1, "pid": "x"}'])
def test_foreign_state_is_refused(stored):
    """Anything else is one clear error."""
    with pytest.raises(ConfigError):
        State.from_bytes(stored)


@pytest.mark.parametrize("name", [r"\u0000", r"\ud800", r"/\udfff"])
@pytest.mark.parametrize("part", [b"/data/tasks/x", b"/sys/fs/cgroup/nomad.slice/x"])
def test_names_that_no_file_has_are_refused(part, name):
    """They would fail when the task has ended, and nobody would hear of its end."""
    with pytest.raises(ConfigError, match="damaged"):
        State.from_bytes(STATE.to_bytes().replace(part, b"/" + name.encode()))


def test_directory_names_say_nothing_and_fit_everywhere():
    """Hexadecimal digits, whatever the id holds."""
    names = {directory_of(Path("/d"), task_id).name for task_id in ("a/b/c", "../../etc", "ü" * 500)}
    assert len(names) == 3
    assert all(re.fullmatch(r"[0-9a-f]{16}-[0-9a-f]{8}", name) for name in names)


def test_starts_of_one_task_are_neighbours(tmp_path):
    """The directories of a task's starts are found, and no other task's; where none has been, there is none."""
    first, second, other, unlike = (
        directory_of(tmp_path, task_id) for task_id in ("a/web/1", "a/web/2", "a/db/1", "b/web/1")
    )
    assert all_starts(first) == []
    for each in (first, second, other, unlike):
        each.mkdir(parents=True)
    assert sorted(all_starts(second)) == sorted([first, second])


@pytest.mark.parametrize("text", ["", "{}", '{"executor": 1}', '{"executor": [1], "starter": [1]}'])
def test_broken_record_counts_as_none(tmp_path, text):
    """A record cut short belongs to nobody."""
    (tmp_path / "process.json").write_text(text)
    assert read_record(tmp_path) is None


def test_discard_follows_no_link(tmp_path):
    """Only a real directory is removed."""
    (tmp_path / "precious").mkdir()
    (tmp_path / "state").symlink_to(tmp_path / "precious")
    discard(tmp_path / "state")
    discard(tmp_path / "nothing")
    assert (tmp_path / "precious").is_dir()


def test_state_of_the_first_version_is_read():
    """What a plugin of the first release stored is read for ever: these are its very bytes."""
    stored = (
        b'{"version": 1, "pid": 4, "start_time": 1234, "boot_id": "boot", "directory": "/data/tasks/x",'
        b' "started_at": 1700000000.5, "cgroup": "/sys/fs/cgroup/nomad.slice/x", "oom_kills": 2}'
    )
    assert State.from_bytes(stored) == STATE
