"""Whose a process is: the allocation it runs for, how a message tells of it, and that none outlives its test."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests.e2e.world import World, eventually
from wasmdeploy_cli.stack.sweep import Traces

_ID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_OF_CGROUP = re.compile(f"/({_ID})[.]")
_OF_LOG = re.compile(f"/alloc/({_ID})/alloc/logs/")


@contextmanager
def nothing_left(world: World) -> Iterator[None]:
    """What runs for tasks when the block has ended, and did not before, ends as well; or is named."""
    before = world.family()
    yield

    def left() -> list[str]:
        return [told(world, each) for each in world.family() if each not in before]

    eventually("no process is left", lambda: not left(), 120, lambda: "\n".join(left()))


def allocation_of(process: psutil.Process) -> str:
    """As its state directory, its cgroup or its open log say; empty for a process of no task."""
    with suppress(psutil.Error, OSError):
        words = process.cmdline()
        for word in words:
            if (launch := Path(word, "launch.json")).is_file():
                return str(json.loads(launch.read_text())["id"]).partition("/")[0]
        opened = [file.path for file in process.open_files()] if words[1:2] == ["logmon"] else []
        for pattern, texts in ((_OF_CGROUP, [Traces.of(process.pid).cgroups]), (_OF_LOG, opened)):
            for text in texts:
                if found := pattern.search(text):
                    return found[1]
    return ""


def told(world: World, process: psutil.Process) -> str:
    """One line that explains what the process is and what Nomad says of its task."""
    words, state = ["?"], "gone"
    with suppress(psutil.Error):
        words, state = process.cmdline(), process.status()
    owner = allocation_of(process)
    alloc = (world.nomad(f"allocation/{owner}") or {}) if owner else {}
    said = (
        " ".join(str(alloc.get(key)) for key in ("JobID", "DesiredStatus", "ClientStatus"))
        if alloc
        else "unknown"
    )
    return f"{process.pid} ({state}) {' '.join(words)[:200]} of {owner or 'no allocation'}: {said}"
