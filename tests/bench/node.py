"""What a node feels: how soon an app answers, and what many idle ones cost, started as Nomad does it."""

from __future__ import annotations

import json
import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from tests.bench import parked, peers, report, usage
from tests.bench.app import SECONDS, App, ask
from tests.bench.cases import CASES as HELLO
from tests.bench.errors import BenchError
from tests.bench.measure import Effort
from tests.driver.plugin_process import Plugin, plugin_process, task_config
from wasmdeploy_driver.executor.guestfile import digest_of
from wasmdeploy_driver.plugin.proto import driver_pb2
from wasmdeploy_driver.runner.executors import EXECUTOR

_LANGUAGES = ("rust", "python")
CASES = (
    *(f"start-{language}" for language in _LANGUAGES),
    *(f"density-{language}-{apps}" for language in _LANGUAGES for apps in (10, 100)),
    *(f"wake-{language}" for language in _LANGUAGES),
    "density-parked-100",
)
# They take minutes and gigabytes: measured only where they are named.
LONG = tuple(f"density-{language}-1000" for language in (*_LANGUAGES, "parked"))
_FIRST_PORT, _PORTS = 20_000, 10_000  # below those that the kernel gives to others
_PEERS = 10
_AT_ONCE = 32
_QUIET_SECONDS = 0.3  # between two starts: one at a time, with a spare executor there again
_IDLE_SECONDS = 15.0  # an app rests after ten


def rows(
    names: Iterable[str], wasmtime: Path, directory: Path, effort: Effort, say: Callable[[str], None]
) -> list[report.Row]:
    """Measure these cases; raises BenchError."""
    found = []
    for name in names:
        say(f"{name}: building the guest")
        kind, language, *apps = name.split("-")
        guest = "rust" if language == "parked" else language
        case = next(case for case in HELLO if case.name == f"{guest}-hello-fresh")
        place = directory / name
        place.mkdir(parents=True, exist_ok=True)
        wasm = place / "guest.wasm"
        case.guest.build(wasm)
        with tempfile.TemporaryDirectory(dir=place) as scratch, _plugin(Path(scratch)) as plugin:
            ports, data = _free_ports(), Path(scratch) / "data"
            idle_timeout = "200ms" if kind == "wake" else "1s" if language == "parked" else "0"

            def app(number: int, *, below: Path = Path(scratch), ports: Iterator[int] = ports) -> App:
                port = next(ports)
                return App(_config(below, number, port, wasm, idle_timeout), port, case.path, case.body)

            _start(plugin, warm := app(0))
            _destroy(plugin, warm)
            if kind == "start":
                say(f"{name}: one start after the other")
                peer = peers.precompiled(wasmtime, wasm)
                values = _beside(*_starts(plugin, app, peer, 10 * effort.rounds))
            elif kind == "wake":
                say(f"{name}: one wake after the other")
                one = app(1)
                begin, again = partial(_start, plugin, one), partial(ask, one)
                other = partial(peers.start, peers.precompiled(wasmtime, wasm), app(2))
                values = _beside(*parked.wakes(data, begin, again, other, 10 * effort.rounds))
                _destroy(plugin, one)
            elif language == "parked":
                say(f"{name}: {apps[0]} apps")
                all_of_them = [app(number) for number in range(1, int(apps[0]) + 1)]
                starts = [partial(_start, plugin, each) for each in all_of_them]
                values = {"": parked.density(data, plugin.process.pid, starts, _IDLE_SECONDS)}
                _destroy_all(plugin, all_of_them)
            else:
                say(f"{name}: {apps[0]} apps")
                peer = peers.precompiled(wasmtime, wasm)
                values = {"": _density(plugin, app, int(apps[0])), peers.NAME: _peer_density(peer, app)}
        found += report.other_rows(name, values)
    return found


# one start


def _starts(
    plugin: Plugin, app: Callable[[int], App], peer: list[str], count: int
) -> tuple[list[float], list[float]]:
    ours, theirs = [], []
    for number in range(1, count + 1):
        started = app(number)
        began = time.perf_counter()
        _start(plugin, started)
        ours.append(time.perf_counter() - began)
        _destroy(plugin, started)
        theirs.append(peers.start(peer, started))
        time.sleep(_QUIET_SECONDS)
    return ours, theirs


def _beside(ours: list[float], theirs: list[float]) -> Mapping[str, Mapping[str, float]]:
    return {"": _quantiles(ours), peers.NAME: _quantiles(theirs)}


def _quantiles(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {"p50_ms": median(ordered) * 1000, "p99_ms": ordered[len(ordered) * 99 // 100] * 1000}


# many apps


def _density(plugin: Plugin, app: Callable[[int], App], count: int) -> Mapping[str, float]:
    apps = [app(number) for number in range(1, count + 1)]
    own = psutil.Process(plugin.process.pid)
    try:
        before, began = sum(own.cpu_times()[:2]), time.perf_counter()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            executors = list(pool.map(lambda each: _start(plugin, each), apps))
        seconds = time.perf_counter() - began
        started = sum(own.cpu_times()[:2])
        time.sleep(_IDLE_SECONDS)
        idle = sum(own.cpu_times()[:2]) - started
        family = {pid for pid in executors for pid in _family(pid)}
        others = set(_family(own.pid)) - family
        return {
            "pss_mb": sum(map(usage.own_pss_bytes, family)) / count / 1e6,
            "shared_mb": sum(map(usage.own_pss_bytes, others)) / 1e6,
            "seconds": seconds,
            "plugin_ms": (started - before) * 1000 / count,
            "plugin_percent": idle * 100 / _IDLE_SECONDS,
        }
    finally:
        _destroy_all(plugin, apps)


def _family(pid: int) -> list[int]:
    process = psutil.Process(pid)
    return [each.pid for each in (process, *process.children(recursive=True))]


def _peer_density(command: list[str], app: Callable[[int], App]) -> Mapping[str, float]:
    """Of its own processes only: Nomad's raw_exec adds an executor to each."""
    with ExitStack() as stack:
        pids = [stack.enter_context(peers.serving(command, app(-number))) for number in range(1, _PEERS + 1)]
        time.sleep(_IDLE_SECONDS)
        return {"pss_mb": sum(map(usage.pss_bytes, pids)) / len(pids) / 1e6}


# the plugin, as Nomad uses it


@contextmanager
def _plugin(directory: Path) -> Iterator[Plugin]:
    with (directory / "plugin.stderr").open("wb") as log, plugin_process(*EXECUTOR, stderr=log) as plugin:
        plugin.configure(directory / "data")
        yield plugin


def _config(directory: Path, number: int, port: int, wasm: Path, idle_timeout: str) -> Any:
    task = directory / f"task-{number}"
    component = {"hello": {"source": "guest.wasm", "digest": _digest(wasm), "route": ["/..."]}}
    parts = {"module": None, "args": [], "app": f"bench-{number}", "http": {"port": "http"}}
    config = task_config(task, component=component, idle_timeout=idle_timeout, **parts)
    config.id = f"alloc-{number}/web/00000000"
    config.resources.ports[0].value = port
    config.resources.linux_resources.CopyFrom(driver_pb2.LinuxResources())
    os.link(wasm, task / "alloc-1" / "web" / "guest.wasm")
    return config


@cache
def _digest(wasm: Path) -> str:
    """As every deploy pins it."""
    return digest_of(wasm.read_bytes())


def _free_ports() -> Iterator[int]:
    for port in range(_FIRST_PORT, _FIRST_PORT + _PORTS):
        if _is_free(port):
            yield port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _start(plugin: Plugin, app: App) -> int:
    """Start a task and get its first answer; the executor's pid."""
    answer = plugin.driver.StartTask(driver_pb2.StartTaskRequest(task=app.config), timeout=SECONDS)
    ask(app)
    return int(json.loads(answer.handle.driver_state)["pid"])


def _destroy_all(plugin: Plugin, apps: Iterable[App]) -> None:
    """End each, whatever becomes of the others: what is left goes on without the plugin."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        ended = [pool.submit(_destroy, plugin, each) for each in apps]
    failed = [error for each in ended if (error := each.exception()) is not None]
    if failed:
        raise BenchError(f"{len(failed)} of {len(ended)} apps could not be ended: {failed[0]}")


def _destroy(plugin: Plugin, app: App) -> None:
    request = driver_pb2.DestroyTaskRequest(task_id=app.config.id, force=True)
    plugin.driver.DestroyTask(request, timeout=SECONDS)
