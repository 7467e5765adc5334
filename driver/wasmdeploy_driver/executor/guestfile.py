"""`GuestFile`: a guest's file, opened once, with what there is to know of it before it is compiled.

Reading and hashing a large guest takes longer than starting it from compiled code. So its digest and its names are
remembered beside the compiled code, by the file's place and times, and asked for again only once the file has changed.
One that has been written to since without that being seen cannot do harm: what runs is the code of that digest. For the
same reason a file whose digest the job pins, and whose names are known by it, is not read at all before it is compiled.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from wasmdeploy_driver.errors import GuestError
from wasmdeploy_driver.executor.files import open_guest
from wasmdeploy_driver.executor.launch import Launch
from wasmdeploy_driver.guest.binary import Binary, inspect
from wasmdeploy_driver.guest.entries import FACTS, LEFTOVER

# A file that has changed this recently may change again within the same tick of its clock.
_SETTLED_SECONDS = 1.0
_SHA256 = "sha256:"
_DIGEST = re.compile(_SHA256 + "[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class GuestFile:
    """An open file, what it is called in messages, its digest (`sha256:…`), its size in bytes, and its names."""

    shown: str
    digest: str
    binary: Binary
    descriptor: int
    size: int

    def read(self) -> bytes:
        """Its bytes; raises GuestError where they are no longer those of the digest."""
        guest = _read(self.descriptor, self.size)
        if digest_of(guest) != self.digest:
            raise GuestError(
                f"{self.shown} is not {self.digest}: it changed while it was read, or is not what the job pins",
                "restart the task, or deploy it again",
            )
        return guest


@contextmanager
def guest_file(launch: Launch, source: str, digest: str, shown: str) -> Iterator[GuestFile]:
    """Open a guest, which has the digest that the job pins; raises ConfigError, GuestError."""
    descriptor = open_guest(launch, source)
    try:
        status = os.fstat(descriptor)
        pinned = bool(_DIGEST.fullmatch(digest))
        name = digest.removeprefix(_SHA256) if pinned else f"{status.st_dev:x}-{status.st_ino:x}"
        state = [] if pinned else [status.st_size, status.st_mtime_ns, status.st_ctime_ns]
        place = launch.cache / f"{name}{FACTS}"
        known = _recall(place, state)
        found, binary = known or _look(descriptor, status.st_size, shown)
        if digest and digest != found:
            raise GuestError(f"{shown} has the digest {found}, but the job pins {digest}")
        settled = time.time() - max(status.st_mtime, status.st_ctime) > _SETTLED_SECONDS
        if known is None and (pinned or settled):
            _remember(place, {"file": state, "digest": found, "binary": asdict(binary)})
        yield GuestFile(shown, found, binary, descriptor, status.st_size)
    finally:
        os.close(descriptor)


def digest_of(guest: bytes) -> str:
    """`sha256:…`."""
    return _SHA256 + hashlib.sha256(guest).hexdigest()


def _read(descriptor: int, size: int) -> bytes:
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        file.seek(0)
        return file.read(size)  # no more, should it grow meanwhile


def _look(descriptor: int, size: int, shown: str) -> tuple[str, Binary]:
    guest = _read(descriptor, size)
    return digest_of(guest), inspect(guest, shown)


def _recall(place: Path, state: list[int]) -> tuple[str, Binary] | None:
    try:
        facts = json.loads(place.read_bytes())
        if facts["file"] != state:
            return None
        names = facts["binary"]
        return facts["digest"], Binary(
            names["component"], tuple(names["imports"]), tuple(names["exports"]), names["typed"]
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remember(place: Path, facts: dict[str, Any]) -> None:
    # Whoever cannot write to the cache is told so by the compile.
    with contextlib.suppress(OSError):
        scratch = place.with_name(f"{LEFTOVER}{os.getpid()}-{place.stem}")
        scratch.write_text(json.dumps(facts))
        scratch.replace(place)
