"""Network namespaces that Nomad makes: of a CNI network, and of `bridge` mode."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.driver.go_guests import go_guest
from tests.e2e.nomad_jobs import PATIENCE, ServedApp, purge
from tests.e2e.owners import nothing_left
from tests.e2e.world import World, eventually
from tests.stack import cni

pytestmark = [
    pytest.mark.stack,
    pytest.mark.guests,
    pytest.mark.timeout(600),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can make network namespaces"),
]

NETWORK, BRIDGE = "wasm-test", "wasmtest0"
PORT = 8080
GROUP = {"Mode": f"cni/{NETWORK}", "DynamicPorts": [{"Label": "http", "To": PORT}]}


@pytest.fixture(scope="module")
def network(world: World) -> Iterator[None]:
    """A CNI network on the stack's client, which looks for networks when it starts."""
    place = world.stack.data_dir / "cni"
    (place / "config").mkdir(parents=True)
    (place / "bin").symlink_to(cni.plugins())
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": "10.213.77.0/24"}]],
        "dataDir": str(place / "leases"),
    }
    bridge = {"type": "bridge", "bridge": BRIDGE, "isGateway": True, "ipam": addresses}
    described = {"cniVersion": "1.0.0", "name": NETWORK, "plugins": [bridge]}
    (place / "config" / "test.conflist").write_text(json.dumps(described))
    world.member("client-1").kill()
    world.cli("stack", "up")
    yield
    shutil.rmtree(place)
    if Path(f"/sys/class/net/{BRIDGE}").exists():
        os.system(f"ip link delete {BRIDGE}")


@pytest.fixture
def source(world: World) -> Iterator[Path]:
    """The component of an app; after the test no process is left, and no namespace."""
    path = world.stack.components_dir / "networks.wasm"
    path.write_bytes(go_guest().read_bytes())
    before = namespaces()
    with nothing_left(world):
        yield path
        path.unlink()
    eventually("no namespace is left", lambda: namespaces() == before)


def namespaces() -> set[str]:
    """The network namespaces that have a name."""
    place = Path("/run/netns")
    return {each.name for each in place.iterdir()} if place.is_dir() else set()


def namespace_of(process: psutil.Process | None = None) -> str:
    """The network namespace of a process, or of this one."""
    return str(Path("/proc", str(process.pid) if process else "self", "ns", "net").readlink())


def namespaces_of(world: World) -> set[str]:
    """Those of all processes of tasks; an idle one may end meanwhile."""
    found = set()
    for process in world.family():
        with suppress(FileNotFoundError):
            found.add(namespace_of(process))
    return found


def test_a_cni_network(world: World, network: None, source: Path) -> None:
    """An app listens at `to` in its allocation's namespace, all of its processes are there, also after restarts."""
    app = ServedApp(world, "in-cni", source, group={"Networks": [GROUP]})
    try:
        app.place(app.job())
        app.address = (address_of(world, app), PORT)
        eventually("it answers at the address of its namespace", app.answers, PATIENCE)
        (executor,) = world.executors()
        inside = namespace_of(executor)
        assert inside != namespace_of()
        assert namespaces_of(world) == {inside}
        (plugin,) = world.plugins()
        plugin.kill()
        eventually("another plugin", lambda: [p for p in world.plugins() if p.pid != plugin.pid], PATIENCE)
        assert app.answers()
        executor.kill()
        eventually("another executor", lambda: app.restarts() == 1 and app.answers(), PATIENCE)
        assert namespaces_of(world) == {inside}
    finally:
        purge(world, app.name)


def test_bridge_mode(world: World, network: None, source: Path) -> None:
    """In `bridge` mode the app is reached at its port on the node, which Nomad forwards to `to`."""
    if shutil.which("iptables") is None:
        pytest.skip("Nomad's bridge mode needs iptables on the node")
    ports = [{"Label": "http", "To": PORT}]
    app = ServedApp(
        world, "in-bridge", source, group={"Networks": [{"Mode": "bridge", "DynamicPorts": ports}]}
    )
    try:
        app.start()
        (executor,) = world.executors()
        assert namespace_of(executor) != namespace_of()
    finally:
        purge(world, app.name)


def address_of(world: World, app: ServedApp) -> str:
    """The address of an allocation in its network."""

    def found() -> str:
        allocation: dict[str, Any] = world.nomad(f"allocation/{app.allocation}")
        return str((allocation.get("NetworkStatus") or {}).get("Address") or "")

    return eventually("the allocation has an address", found)
