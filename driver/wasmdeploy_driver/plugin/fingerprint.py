"""Whether this node can run wasm tasks, and the attributes that jobs may constrain on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from wasmdeploy_driver import __version__
from wasmdeploy_driver.plugin.config import PluginConfig
from wasmdeploy_driver.plugin.proto import attribute_pb2, driver_pb2

_HEALTHY = "Healthy"


def fingerprint(config: PluginConfig) -> Any:
    """One look at the node: healthy, or unhealthy with the reason."""
    from importlib import metadata  # slow to import, and the handshake comes first

    reasons = []
    wasmtime = ""
    try:
        wasmtime = metadata.version("wasmtime")
    except metadata.PackageNotFoundError:
        reasons.append("the Python package wasmtime is not installed beside the plugin")
    if problem := _unwritable(Path(config.data_dir)):
        reasons.append(problem)
    attributes = {
        "driver.wasm": attribute_pb2.Attribute(bool_val=True),
        "driver.wasm.version": attribute_pb2.Attribute(string_val=__version__),
    }
    if wasmtime:
        attributes["driver.wasm.wasmtime"] = attribute_pb2.Attribute(string_val=wasmtime)
    response = driver_pb2.FingerprintResponse
    return response(
        attributes=attributes,
        health=response.UNHEALTHY if reasons else response.HEALTHY,
        health_description="; ".join(reasons) or _HEALTHY,
    )


def _unwritable(data_dir: Path) -> str:
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        return f"data_dir {data_dir}: {error.strerror}"
    return "" if os.access(data_dir, os.W_OK | os.X_OK) else f"data_dir {data_dir} is not writable"
