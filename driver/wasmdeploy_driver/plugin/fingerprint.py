"""Whether this node can run wasm tasks, and the attributes that jobs may constrain on."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from wasmdeploy_driver import __version__
from wasmdeploy_driver.isolation import landlock, seccomp
from wasmdeploy_driver.plugin.config import PluginConfig
from wasmdeploy_driver.plugin.proto import attribute_pb2, driver_pb2

_HEALTHY = "Healthy"
# What executors need and the plugin itself never loads; in a process of its own, as a start of an executor is.
_NEEDED = "import wasmtime, wasmdeploy_driver.executor.process"
_IMPORT_SECONDS = 60.0
_CGROUPS = Path("/sys/fs/cgroup")


def fingerprint(config: PluginConfig, engine_problem: str = "") -> Any:
    """One look at the node: healthy, or unhealthy with all reasons."""
    reasons = [
        engine_problem,
        _without_wasmtime(),
        _unwritable(Path(config.data_dir), config.cache_dir),
        _without_cgroups(),
    ]
    found = [reason for reason in reasons if reason]
    response = driver_pb2.FingerprintResponse
    return response(
        attributes=_attributes(config),
        health=response.UNHEALTHY if found else response.HEALTHY,
        health_description="; ".join(found) or _HEALTHY,
    )


async def engine_problem() -> str:
    """Why executors cannot run here, empty where they can: tried once, since it takes a fraction of a second."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-c", _NEEDED),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, stderr = await asyncio.wait_for(process.communicate(), _IMPORT_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
        return f"importing wasmtime took longer than {_IMPORT_SECONDS:g} s"
    if process.returncode == 0:
        return ""
    lines = stderr.decode(errors="replace").strip().splitlines() or [f"status {process.returncode}"]
    return f"wasmtime cannot be imported by {sys.executable}: {lines[-1]}"


def _attributes(config: PluginConfig) -> Mapping[str, Any]:
    command_line = "wasmtime" in config.engines and shutil.which("wasmtime")
    engines = [each for each in config.engines if each != "wasmtime" or command_line]
    text = {
        "driver.wasm.version": __version__,
        "driver.wasm.wasmtime": _wasmtime(),
        "driver.wasm.wasi": "preview1,0.2,0.3" if command_line else "preview1,0.2",
        "driver.wasm.engines": ",".join(engines),
    }
    attributes = {name: attribute_pb2.Attribute(string_val=value) for name, value in text.items() if value}
    attributes["driver.wasm.landlock"] = attribute_pb2.Attribute(int_val=landlock.version())
    attributes["driver.wasm.seccomp"] = attribute_pb2.Attribute(bool_val=seccomp.available())
    attributes["driver.wasm"] = attribute_pb2.Attribute(bool_val=True)
    # `unique`: what differs from node to node must not make a class of nodes each.
    attributes["unique.driver.wasm.cache_mb"] = attribute_pb2.Attribute(int_val=_megabytes(config.cache_dir))
    return attributes


@cache
def _wasmtime() -> str:
    from importlib import metadata  # slow to import, and the handshake comes first

    try:
        return metadata.version("wasmtime")
    except metadata.PackageNotFoundError:
        return ""


def _without_wasmtime() -> str:
    return "" if _wasmtime() else "the Python package wasmtime is not installed beside the plugin"


def _megabytes(directory: Path) -> int:
    """Rounded, so that not every compile is news for the servers."""
    try:
        with os.scandir(directory) as entries:
            size = sum(entry.stat(follow_symlinks=False).st_size for entry in entries)
    except OSError:
        return 0
    return round(size / 1e7) * 10


def _unwritable(data_dir: Path, cache_dir: Path) -> str:
    for name, directory in (("data_dir", data_dir), ("cache.dir", cache_dir)):
        if reason := _closed(directory):
            return f"{name if directory != data_dir / 'cache' else 'data_dir'} {directory}{reason}"
    return ""


def _closed(directory: Path) -> str:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(directory, os.W_OK | os.X_OK):
            return " is not writable"
        room = os.statvfs(directory)
    except OSError as error:
        return f": {error.strerror}"
    if room.f_flag & os.ST_RDONLY:
        return " is on a file system that is mounted read-only"
    return "" if room.f_bavail else ": no space is left"


def _without_cgroups() -> str:
    # Without root Nomad makes no cgroups either; each task says so in an event.
    if os.geteuid():
        return ""
    try:
        controllers = (_CGROUPS / "cgroup.controllers").read_text().split()
    except OSError:
        controllers = [name for name in ("cpu", "memory") if (_CGROUPS / name).is_dir()]
    missing = sorted({"cpu", "memory"} - set(controllers))
    return f"{_CGROUPS} has no controller {' and '.join(missing)}: tasks cannot be limited" if missing else ""
