import errno
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wasmdeploy_driver.executor.rotated import RotatedLog

SIZE = 100 << 10  # more than the longest line that is kept whole


@pytest.fixture
def logs(tmp_path):
    """An open directory."""
    directory = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield directory
    os.close(directory)


def files(directory):
    """The files of web.stdout by their numbers."""
    found = {int(each.name.rpartition(".")[2]): each for each in directory.glob("web.stdout.*")}
    return dict(sorted(found.items()))


def content(directory):
    return b"".join(each.read_bytes() for each in files(directory).values())


def test_the_first_file_is_there_at_once(logs, tmp_path):
    """`nomad alloc logs` of a task that has written nothing is empty, not an error."""
    RotatedLog(logs, "web.stdout", 3, SIZE)
    assert list(files(tmp_path)) == [0]


def test_lines_stay_whole(logs, tmp_path):
    """Lines go on in the next file, none is split or lost; files keep their bound."""
    log = RotatedLog(logs, "web.stdout", 100, SIZE)
    lines = [b"%06d " % number + b"x" * (number * 37 % 3000) + b"\n" for number in range(500)]
    text = b"".join(lines)
    for start in range(0, len(text), 65536):
        log.write(text[start : start + 65536])
    found = files(tmp_path)
    assert len(found) > 5
    assert content(tmp_path) == text
    assert all(each.stat().st_size <= SIZE for each in found.values())
    ends = [each.read_bytes()[-1:] for each in found.values()]
    # Only a line that a part of the writing had cut itself may go on in the next file.
    assert ends.count(b"\n") >= len(ends) - 2


@given(st.lists(st.binary(max_size=300), max_size=30), st.integers(1, 50), st.integers(1, 4))
def test_any_bytes(tmp_path_factory, parts, most_bytes, most_files):
    """Whatever is written, the end of it is in the files, and they keep their bounds."""
    directory = tmp_path_factory.mktemp("logs")
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    log = RotatedLog(descriptor, "web.stdout", most_files, most_bytes)
    for part in parts:
        log.write(part)
    os.close(descriptor)
    found = files(directory)
    assert b"".join(parts).endswith(content(directory))
    assert 1 <= len(found) <= most_files
    assert all(each.stat().st_size <= most_bytes for each in found.values())
    assert parts == [] or not parts[-1] or content(directory)


def test_a_flood_keeps_its_bound(logs, tmp_path):
    """However much is written, the disk holds no more than the number of files times their size; the end is kept."""
    log = RotatedLog(logs, "web.stdout", 3, SIZE)
    for number in range(2000):
        log.write(b"%08d\n" % number * 500)
        assert sum(each.stat().st_size for each in files(tmp_path).values()) <= 3 * SIZE
    assert len(files(tmp_path)) == 3
    assert content(tmp_path).endswith(b"00001999\n")


def test_a_successor_goes_on(logs, tmp_path):
    """The next executor of the task adds to the newest file, and clears what is too many by now."""
    for number in range(5):
        (tmp_path / f"web.stdout.{number}").write_text(f"{number}\n")
    (tmp_path / "web.stdouts.7").write_text("of a task with another name")
    log = RotatedLog(logs, "web.stdout", 2, SIZE)
    log.write(b"more\n")
    assert {number: each.read_text() for number, each in files(tmp_path).items()} == {
        3: "3\n",
        4: "4\nmore\n",
    }
    assert (tmp_path / "web.stdouts.7").exists()


def test_what_is_planted_is_stepped_over(logs, tmp_path):
    """Neither a link, a hard link, a FIFO nor a directory under the next names takes a line or holds up the log."""
    target = tmp_path / "target"
    target.write_text("untouched")
    (tmp_path / "web.stdout.0").symlink_to(target)
    os.link(target, tmp_path / "web.stdout.1")
    os.mkfifo(tmp_path / "web.stdout.2")
    reader = os.open(tmp_path / "web.stdout.2", os.O_RDONLY | os.O_NONBLOCK)
    (tmp_path / "web.stdout.3").mkdir()
    log = RotatedLog(logs, "web.stdout", 10, SIZE)
    log.write(b"line\n")
    assert target.read_text() == "untouched"
    assert (tmp_path / "web.stdout.4").read_text() == "line\n"
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_a_planted_number_does_not_undo_the_bound(logs, tmp_path):
    """Numbers that no log reaches are removed, and do not become ours."""
    for number in (10**9 + 1, 10**18):
        (tmp_path / f"web.stdout.{number}").write_text("planted")
    log = RotatedLog(logs, "web.stdout", 2, SIZE)
    for _ in range(50):
        log.write(b"x" * 10_000 + b"\n")
    assert max(files(tmp_path)) < 100
    assert len(files(tmp_path)) == 2


def test_a_full_disk(logs, tmp_path, monkeypatch):
    """What the disk does not take is counted, and told once there is room; nothing fails."""
    log = RotatedLog(logs, "web.stdout", 2, SIZE)
    write, full = os.write, True

    def refusing(file: int, data: bytes) -> int:
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, data)

    monkeypatch.setattr(os, "write", refusing)
    log.write(b"12345")
    log.write(b"678")
    full = False
    log.write(b"again\n")
    assert content(tmp_path) == b"[8 bytes of this log are lost: the disk was full]\nagain\n"


def test_a_file_that_was_removed(logs, tmp_path):
    """Whoever removes the newest file loses what follows up to the next one, and the log goes on."""
    log = RotatedLog(logs, "web.stdout", 2, SIZE)
    log.write(b"a\n")
    (tmp_path / "web.stdout.0").unlink()
    log.write(b"x" * SIZE)
    log.write(b"b\n")
    assert content(tmp_path).endswith(b"b\n")
