"""One more client of the session's stack, in a node pool of its own, whose driver has other settings."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.e2e.world import World, eventually
from tests.stack import build
from wasmdeploy_cli.driver_install import installed, quoted
from wasmdeploy_cli.stack import directory
from wasmdeploy_cli.stack.ports import free_now
from wasmdeploy_cli.stack.record import Record

_CONFIG = """\
name                 = "{name}"
data_dir             = {data}
plugin_dir           = {plugins}
bind_addr            = "127.0.0.1"
disable_update_check = true
ports {{
  http = {port}
}}
advertise {{
  http = "127.0.0.1"
  rpc  = "127.0.0.1"
  serf = "127.0.0.1"
}}
client {{
  enabled           = true
  node_pool         = "{name}"
  servers           = ["127.0.0.1:{rpc}"]
  network_interface = "lo"
  alloc_mounts_dir  = {mounts}
  min_dynamic_port  = {low}
  max_dynamic_port  = {high}
  options = {{
    "fingerprint.denylist" = "env_aws,env_gce,env_azure,env_digitalocean"
  }}
}}
plugin "nomad-driver-wasm" {{
  config {{
    data_dir    = {driver_data}
    allow_paths = [{components}]
    {settings}
  }}
}}
"""


@contextmanager
def one_more_client(world: World, home: Path, name: str, settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """Nomad's process; its node is ready, its jobs name the node pool `name`. Jobs must have gone at the end."""
    owned = directory.opened(world.stack.data_dir)
    assert owned is not None
    record = Record.load(owned.state)
    assert record is not None
    is_free = free_now()
    first = next(port for port in range(23000, 26000, 50) if all(map(is_free, range(port, port + 50))))
    config = _CONFIG.format(
        name=name, data=quoted(home / "nomad"), plugins=quoted(installed(home / "plugins").path.parent),
        port=first, rpc=record.ports["nomad.rpc"], mounts=quoted(home / "mounts"), low=first + 1, high=first + 49,
        driver_data=quoted(home / "wasm"), components=quoted(world.stack.components_dir), settings=settings,
    )  # fmt: skip
    (home / "client.hcl").write_text(config)
    command = [build.ensure() / "nomad", "agent", f"-config={home / 'client.hcl'}"]
    with (home / "client.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        eventually("the client is ready", lambda: _ready(world, name, process, home), 120)
        yield process
        node = next(each for each in world.nomad("nodes") if each["Name"] == name)
        eventually("its jobs are gone", lambda: _idle(world, node["ID"]), 60)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        finally:
            process.kill()
            process.wait()
        # One that is down for ever would be in the way of who looks at the nodes.
        for each in world.nomad("nodes"):
            if each["Name"] == name:
                httpx.put(
                    f"{world.stack.nomad_addr}/v1/node/{each['ID']}/purge", timeout=60
                ).raise_for_status()


def _ready(world: World, name: str, process: subprocess.Popen[bytes], home: Path) -> bool:
    assert process.poll() is None, (home / "client.log").read_text()[-2000:]
    nodes = [each for each in world.nomad("nodes") if each["Name"] == name and each["Status"] == "ready"]
    return bool(nodes) and bool((nodes[0]["Drivers"].get("wasm") or {}).get("Healthy"))


def _idle(world: World, node: str) -> bool:
    allocations = world.nomad(f"node/{node}/allocations") or []
    return all(each["ClientStatus"] in ("complete", "failed", "lost") for each in allocations)
