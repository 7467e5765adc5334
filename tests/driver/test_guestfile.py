import json
import os
from pathlib import Path

import pytest

from tests.driver.guests import wat
from wasmdeploy_driver.errors import GuestError
from wasmdeploy_driver.executor import guestfile
from wasmdeploy_driver.executor.guestfile import digest_of, guest_file
from wasmdeploy_driver.executor.launch import Launch
from wasmdeploy_driver.guest.binary import Binary
from wasmdeploy_driver.task import Task

START = wat('(module (func (export "_start")))')
OTHER = wat('(module (func (export "_other")))')
FALSE = "sha256:false"


@pytest.fixture
def launch(tmp_path, monkeypatch):
    """A task with a guest, whose file counts as settled at once."""
    monkeypatch.setattr(guestfile, "_SETTLED_SECONDS", -60)
    (tmp_path / "cache").mkdir()
    (tmp_path / "app.wasm").write_bytes(START)
    return Launch("id", Task(), tmp_path, tmp_path / "cache", tmp_path, tmp_path)


def facts(launch, digest=""):
    with guest_file(launch, "app.wasm", digest, "the guest") as guest:
        return guest.digest, guest.binary


def falsify(launch):
    """Change what is remembered of the guest, so that it can be told apart from what its file says."""
    [place] = launch.cache.iterdir()
    place.write_text(json.dumps(json.loads(place.read_text()) | {"digest": FALSE}))


def test_a_guest_that_is_seen_for_the_first_time(launch):
    """Its digest and its names are those of its bytes."""
    assert facts(launch) == (digest_of(START), Binary(False, (), ("_start",)))


def test_a_guest_is_remembered(launch):
    """The second time, nothing of it is read."""
    first = facts(launch)
    falsify(launch)
    assert facts(launch) == (FALSE, first[1])


def test_a_guest_that_has_changed(launch):
    """A file that was written to is read again, though its size is the same."""
    facts(launch)
    (launch.root / "app.wasm").write_bytes(OTHER)
    assert facts(launch) == (digest_of(OTHER), Binary(False, (), ("_other",)))


def test_times_that_were_set_back(launch):
    """A file that only looks as old as it was is read again."""
    path = launch.root / "app.wasm"
    before = path.stat()
    facts(launch)
    path.write_bytes(OTHER)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert facts(launch)[0] == digest_of(OTHER)


def test_a_guest_that_was_just_written(launch, monkeypatch):
    """What may change again within the same tick of the clock is not remembered."""
    monkeypatch.setattr(guestfile, "_SETTLED_SECONDS", 3600)
    facts(launch)
    assert not list(launch.cache.iterdir())


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"file": 1}', "nonsense", "\xff"])
def test_a_memory_that_is_damaged(launch, text):
    """What cannot be read is found out anew, and remembered."""
    facts(launch)
    [place] = launch.cache.iterdir()
    place.write_text(text, "latin-1")
    assert facts(launch)[0] == digest_of(START)
    falsify(launch)
    assert facts(launch)[0] == FALSE


def test_a_digest_that_the_job_pins(launch):
    """Another one is refused, whether it was remembered or not; nothing stays open."""
    before = sorted(Path("/proc/self/fd").iterdir())
    for _ in range(2):
        with pytest.raises(GuestError, match=f"has the digest {digest_of(START)}, but the job pins sha256:x"):
            facts(launch, "sha256:x")
    assert sorted(Path("/proc/self/fd").iterdir()) == before


def test_a_pinned_guest_is_known_by_its_digest(launch):
    """Wherever its file lies: nothing of that is read until it is compiled, and then it must be the one."""
    digest = digest_of(START)
    first = facts(launch, digest)
    (launch.root / "app.wasm").unlink()
    (launch.root / "app.wasm").write_bytes(OTHER)
    assert facts(launch, digest) == first == (digest, Binary(False, (), ("_start",)))
    with (
        guest_file(launch, "app.wasm", digest, "the guest") as guest,
        pytest.raises(GuestError, match="is not what the job pins"),
    ):
        guest.read()


def test_a_pinned_guest_that_was_never_seen(launch):
    """Nothing is remembered as what it is not."""
    (launch.root / "app.wasm").write_bytes(OTHER)
    for _ in range(2):
        with pytest.raises(GuestError, match=f"has the digest {digest_of(OTHER)}, but the job pins"):
            facts(launch, digest_of(START))
    (launch.root / "app.wasm").write_bytes(START)
    assert facts(launch, digest_of(START))[0] == digest_of(START)


def test_a_guest_that_changes_while_it_is_read(launch):
    """Its bytes are not given out as those of the digest that was found."""
    with guest_file(launch, "app.wasm", "", "the guest") as guest:
        assert guest.read() == START
        (launch.root / "app.wasm").write_bytes(OTHER)
        with pytest.raises(GuestError, match="changed while it was read"):
            guest.read()


def test_a_cache_that_cannot_be_written(launch):
    """The guest is known all the same: whoever needs the cache for more is told there."""
    launch.cache.rmdir()
    launch.cache.write_text("")
    assert facts(launch)[0] == digest_of(START)
