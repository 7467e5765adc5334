import os
import stat
import threading
import time
from dataclasses import dataclass

import pytest

from tests.driver.guests import wat
from wasmdeploy_driver.errors import ExecutorError, GuestError
from wasmdeploy_driver.guest import entries
from wasmdeploy_driver.guest.cache import Cache

GUEST = wat('(module (func (export "_start")))')


class Told(list):
    """The steps that the cache told of."""

    def __call__(self, name, text):
        self.append(name)


@dataclass
class Guest:
    """A guest that is in memory."""

    code: bytes = GUEST
    digest: str = "sha256:abc"

    @property
    def size(self):
        return len(self.code)

    def read(self):
        return self.code


def compiled(cache, told, *guest):
    return cache.compiled(Guest(*guest), "module", "the guest", told)


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache")


def test_a_guest_is_compiled_once(cache):
    """The second time, the compiled code is in the cache."""
    told = Told()
    assert compiled(cache, told) == compiled(cache, told)
    assert told == ["compiling", "compiled", "cached"]


def test_entries_are_private(cache):
    """The directory and what is in it can be written by their owner only."""
    entry = compiled(cache, Told())
    assert stat.S_IMODE(cache.directory.stat().st_mode) == 0o700
    assert stat.S_IMODE(entry.stat().st_mode) == 0o600


def test_one_compile_at_a_time(cache):
    """Of several that want the same guest at once, one compiles and the others wait for it."""
    told = Told()
    threads = [threading.Thread(target=compiled, args=(cache, told)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told.count("compiling") == 1


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_an_entry_that_others_could_write(cache, mode):
    """An entry that somebody else could have written is never used, but made anew."""
    compiled(cache, Told()).chmod(mode)
    told = Told()
    entry = compiled(cache, told)
    assert told == ["compiling", "compiled"]
    assert stat.S_IMODE(entry.stat().st_mode) == 0o600


def test_an_entry_that_is_a_link(cache, tmp_path):
    """A symbolic link in place of an entry is never followed."""
    entry = compiled(cache, Told())
    entry.rename(tmp_path / "elsewhere")
    entry.symlink_to(tmp_path / "elsewhere")
    told = Told()
    assert not compiled(cache, told).is_symlink()
    assert told == ["compiling", "compiled"]


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_a_directory_that_others_could_write(cache, mode):
    """A cache directory that others can write is refused."""
    cache.directory.mkdir()
    cache.directory.chmod(mode)
    with pytest.raises(ExecutorError, match="can be written by other users"):
        compiled(cache, Told())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_directory_of_somebody_else(cache):
    """A cache directory that belongs to another user is refused."""
    cache.directory.mkdir()
    os.chown(cache.directory, 12345, -1)
    with pytest.raises(ExecutorError, match="can be written by other users"):
        compiled(cache, Told())


@pytest.mark.parametrize("broken", ["a file in its place", "a lock that is a directory"])
def test_a_directory_that_cannot_be_used(cache, broken):
    """What keeps the cache from working is one error that names the place."""
    if broken == "a file in its place":
        cache.directory.write_text("")
    else:
        compiled(cache, Told()).with_suffix(".cwasm").unlink()
        (lock,) = cache.directory.glob("*.lock")
        lock.unlink()
        lock.mkdir()
    with pytest.raises(ExecutorError, match="compile cache"):
        compiled(cache, Told())


@pytest.mark.parametrize("guest", [b"", b"\0asm\x01\0\0\0garbage"])
def test_a_guest_that_cannot_be_compiled(cache, guest):
    """A broken guest is a GuestError, and leaves no entry behind."""
    with pytest.raises(GuestError, match="the guest: cannot be compiled"):
        compiled(cache, Told(), guest)
    assert [file.suffix for file in cache.directory.iterdir()] == [".lock"]


@pytest.mark.parametrize("damage", ["truncated", "changed", "unstamped"])
def test_an_entry_that_is_not_as_it_was_written(cache, damage):
    """A truncated or changed entry, or one whose compile broke off before its end, is made anew."""
    entry = compiled(cache, Told())
    whole = entry.read_bytes()
    if damage == "truncated":
        entry.write_bytes(whole[: len(whole) // 2])
    elif damage == "changed":
        entry.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    else:
        entry.with_suffix(".stamp").unlink()
    told = Told()
    assert compiled(cache, told).stat().st_size == len(whole)
    assert told == ["compiling", "compiled"]


def test_a_full_cache_loses_what_was_not_used_for_longest(tmp_path):
    """Over its bound, the cache removes the entries that were used longest ago, but none that was used just now."""
    cache = Cache(tmp_path, most_bytes=1)
    old, older, new = (compiled(cache, Told(), GUEST, f"sha256:{name}") for name in ("old", "older", "new"))
    assert all(entry.exists() for entry in (old, older, new))
    leftover = tmp_path / ".compiling-x"
    leftover.write_bytes(b"half")
    for file, age in (
        (old.with_suffix(".stamp"), 1000),
        (older.with_suffix(".stamp"), 2000),
        (leftover, 1000),
    ):
        os.utime(file, (time.time() - age,) * 2)
    size = old.stat().st_size
    entries.shrink(tmp_path, 2 * size)
    assert [entry.exists() for entry in (old, older, new)] == [True, False, True]
    assert not leftover.exists()
    entries.shrink(tmp_path, 1)
    assert [entry.exists() for entry in (old, new)] == [False, True]
