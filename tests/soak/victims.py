"""Who dies in the soak of kills, and how it is found; one more kind is one more line of `VICTIMS`."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.e2e.world import World
from wasmdeploy_cli.stack import directory
from wasmdeploy_cli.stack.sweep import MARK

CLIENT = "client-1"


@dataclass(frozen=True, slots=True)
class Victim:
    """A kind of process; `find` gives those that live now.

    `unnoticed`: clients of running apps must not see its death. `busy`: it is there while an app is loaded only.
    `parked`: an app is to be parked then. `whole`: all of them die at once. `twice`: the one that follows dies, too.
    """

    name: str
    find: Callable[[World], list[psutil.Process]]
    share: int = 1
    unnoticed: bool = False
    busy: bool = False
    parked: bool = False
    whole: bool = False
    twice: bool = False


def agent(world: World) -> list[psutil.Process]:
    """The Nomad client, as long as it lives."""
    with suppress(psutil.NoSuchProcess):
        if (process := world.member(CLIENT)).status() != psutil.STATUS_ZOMBIE:
            return [process]
    return []


def fork_servers(world: World) -> list[psutil.Process]:
    """The fork servers of the plugins."""
    return [
        child
        for plugin in world.plugins()
        for child in _children(plugin)
        if "wasmdeploy_driver.forkserver" in _words(child)
    ]


def companions(world: World) -> Iterator[tuple[psutil.Process, bool]]:
    """The processes of apps beside their executors, and whether each is the executor's own child: its stem."""
    executors = {executor.pid for executor in world.executors()}
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            if process.pid not in executors and os.getsid(process.pid) in executors:
                yield process, process.ppid() in executors


def stems(world: World) -> list[psutil.Process]:
    """The processes that engine processes are forked off."""
    return [process for process, own in companions(world) if own]


def engines(world: World) -> list[psutil.Process]:
    """The processes that run guests beside the executor."""
    return [process for process, own in companions(world) if not own]


def logmons(world: World) -> list[psutil.Process]:
    """Nomad's log collectors, one for each task."""
    owned = directory.opened(world.stack.data_dir)
    assert owned is not None
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if _words(process)[1:2] == ["logmon"] and process.environ().get(MARK) == owned.id:
                found.append(process)
    return found


def holders(world: World) -> list[psutil.Process]:
    """The two processes of the holder."""
    found = {process.pid: process for process in world.holders()}
    pair = []
    for process in found.values():
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            # An executor that one of them has just forked shows the same words for a moment: it leads a session.
            if process.ppid() not in found or os.getsid(process.pid) != process.pid:
                pair.append(process)
    return pair


def followed(plugin: psutil.Process) -> set[int]:
    """The pids whose end a plugin waits for: the executors of the tasks that it has taken up."""
    pids = set()
    with suppress(OSError):
        for file in Path(f"/proc/{plugin.pid}/fdinfo").iterdir():
            with suppress(OSError):
                pids |= {int(pid) for pid in re.findall(r"^Pid:\t(\d+)$", file.read_text(), re.MULTILINE)}
    return pids


def _words(process: psutil.Process) -> list[str]:
    with suppress(psutil.Error):
        return process.cmdline()
    return []


def _children(process: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return process.children()
    return []


VICTIMS = (
    Victim("plugin", World.plugins, share=4, unnoticed=True),
    Victim("plugin and the next", World.plugins, unnoticed=True, twice=True),
    Victim("fork server", fork_servers, share=2, unnoticed=True),
    Victim("executor", World.executors, share=4),
    Victim("agent", agent, share=2, unnoticed=True),
    Victim("logmon", logmons, share=2, unnoticed=True),
    Victim("holder", holders, share=3, unnoticed=True, parked=True),
    Victim("both holders", holders, parked=True, whole=True),
    Victim("stem", stems, share=2, busy=True),
    Victim("engine process", engines, share=2, busy=True),
)
