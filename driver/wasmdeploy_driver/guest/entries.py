"""The files of the compile cache: which are whole and ours, and which go when it is full.

Beside each entry lies a stamp with the size and the time of the file that was written. An entry that was
truncated, changed or left by a compile that broke off does not fit its stamp; the stamp's own time is when
the entry was used last.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from pathlib import Path

# What was used this recently stays however full the cache is: somebody may be about to load it.
_FRESH_SECONDS = 600.0
LEFTOVER = ".compiling-"
# Of the files that say what is known of a guest's own file, which cost little to find out again.
FACTS = ".facts"
_FACTS_SECONDS = 30 * 86400.0


def trusted(entry: Path) -> bool:
    """Whether the entry can be loaded: ours alone and as it was written; any other is removed."""
    try:
        status = entry.lstat()
        stamp = _stamp(entry).read_text()
    except FileNotFoundError:
        return False
    alone = status.st_uid == os.geteuid() and not status.st_mode & 0o022
    if alone and stat.S_ISREG(status.st_mode) and stamp == _text(status):
        os.utime(_stamp(entry))
        return True
    remove(entry)
    return False


def seal(entry: Path) -> None:
    """Stamp an entry that has just been written."""
    _stamp(entry).write_text(_text(entry.lstat()))


def remove(entry: Path) -> None:
    """Remove an entry and its stamp; whoever has mapped it keeps it."""
    _stamp(entry).unlink(missing_ok=True)
    entry.unlink(missing_ok=True)


def shrink(directory: Path, most_bytes: int) -> None:
    """Remove what was not used for the longest time until `most_bytes` are kept, and what broken compiles and guests
    of long ago left.
    """
    now = time.time()
    found: list[tuple[float, int, Path]] = []
    for entry in directory.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another process shrinks too
            age = now - entry.lstat().st_mtime
            if age > (_FACTS_SECONDS if entry.suffix == FACTS else _FRESH_SECONDS) and _is_left(entry):
                entry.unlink()
            elif entry.suffix == ".cwasm":
                found.append((_stamp(entry).stat().st_mtime, entry.lstat().st_size, entry))
    total = sum(size for _, size, _ in found)
    for used, size, entry in sorted(found):
        if total <= most_bytes or now - used < _FRESH_SECONDS:
            return
        remove(entry)
        total -= size


def _is_left(entry: Path) -> bool:
    return entry.suffix == FACTS or entry.name.startswith(LEFTOVER)


def _stamp(entry: Path) -> Path:
    return entry.with_suffix(".stamp")


def _text(status: os.stat_result) -> str:
    return f"{status.st_size} {status.st_mtime_ns}\n"
