"""What parked apps cost, and how soon one answers again."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

from tests.bench.usage import own_pss_bytes
from wasmdeploy_driver.executor.holder import MAX_MESSAGE, SOCKET, connect, decode, encode

_AT_ONCE = 32
_SECONDS = 300.0


@contextlib.contextmanager
def watching(data_dir: Path) -> Iterator[Callable[[int], None]]:
    """What waits until so many tasks have been parked since."""
    with connect(data_dir / SOCKET) as holder:
        holder.settimeout(_SECONDS)
        holder.send(encode({"watch": True}))
        yield lambda count: _parked(holder, count)


def _parked(holder: socket.socket, count: int) -> None:
    while count:
        count -= "parked" in decode(holder.recv(MAX_MESSAGE))


def wakes(
    data_dir: Path,
    start: Callable[[], object],
    ask: Callable[[], object],
    peer: Callable[[], float],
    count: int,
) -> tuple[list[float], list[float]]:
    """Seconds from a request to its answer, each by an app that was parked before; and what `peer` gives between."""
    ours, theirs = [], []
    start()
    with watching(data_dir) as parked:
        for _ in range(count):
            parked(1)
            time.sleep(0.05)  # until the last of the old executor's processes is gone
            began = time.perf_counter()
            ask()
            ours.append(time.perf_counter() - began)
            theirs.append(peer())  # while the app is not idle for long enough yet
    return ours, theirs


def density(
    data_dir: Path, plugin: int, starts: list[Callable[[], object]], idle_seconds: float
) -> Mapping[str, float]:
    """Memory of all processes, and of what lies in memory files, for each parked app, beyond what there was before."""
    processes = [plugin, *(each.pid for each in psutil.Process(plugin).children()), *holders(data_dir)]
    before, began = sum(map(memory, processes)), time.perf_counter()
    with watching(data_dir) as parked, ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(lambda start: start(), starts))
        parked(len(starts))
    seconds = time.perf_counter() - began
    own = psutil.Process(plugin)
    computed = sum(own.cpu_times()[:2])
    time.sleep(idle_seconds)
    idle = sum(own.cpu_times()[:2]) - computed
    after = sum(map(memory, processes))
    return {
        "pss_mb": (after - before) / len(starts) / 1e6,
        "shared_mb": after / 1e6,
        "seconds": seconds,
        "plugin_percent": idle * 100 / idle_seconds,
    }


def holders(data_dir: Path) -> list[int]:
    """The holder's processes."""
    found = []
    for each in psutil.process_iter(["cmdline"]):
        command = each.info["cmdline"] or []
        if "wasmdeploy_driver.holder" in command and str(data_dir) in command:
            found.append(each.pid)
    return found


def memory(pid: int) -> int:
    """A process's proportional memory, and a half of the memory files that it and another one have open, in bytes."""
    files = 0
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            if "memfd:" in os.readlink(each):  # noqa: PTH115  # a name, no path
                files += each.stat().st_blocks * 512 // 2
    return own_pss_bytes(pid) + files
