"""An app with `idle_timeout` on the real stack: parked, it runs for Nomad and is healthy for Consul."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import httpx
import psutil
import pytest

from tests.driver.go_guests import go_guest
from tests.e2e.secrecy import assert_nowhere
from tests.e2e.test_exec import nomad_exec
from tests.e2e.world import World, eventually

pytestmark = [pytest.mark.stack, pytest.mark.guests, pytest.mark.timeout(600)]

NAME = "parked"
SECRET = "a secret that waits while its app is parked"


@pytest.fixture
def allocation(world: World) -> Iterator[str]:
    """The allocation of an app with a secret and a health check, which is parked after two seconds."""
    world.put_secret(f"default/{NAME}", token=SECRET)
    source = world.stack.components_dir / f"{NAME}.wasm"
    source.write_bytes(go_guest("go-cgi").read_bytes())
    httpx.post(
        f"{world.stack.nomad_addr}/v1/jobs", json={"Job": job(str(source))}, timeout=60
    ).raise_for_status()
    try:
        eventually("the app runs", lambda: "running" in statuses(world), 120)
        yield str(world.running(NAME)["ID"])
    finally:
        httpx.delete(
            f"{world.stack.nomad_addr}/v1/job/{NAME}", params={"purge": "true"}, timeout=60
        ).raise_for_status()
        source.unlink()


def job(source: str) -> dict[str, Any]:
    health = {
        "Type": "http",
        "Path": "/.well-known/wasmdeploy/health",
        "Interval": 10**9,
        "Timeout": 5 * 10**9,
    }
    component = {
        "source": source, "route": ["/..."], "environment": [{"TOKEN": "{{ token }}"}],
        "dir": [{"host": "local", "guest": "/data"}],
    }  # fmt: skip
    return {
        "ID": NAME, "Type": "service", "Datacenters": ["*"],
        "TaskGroups": [{
            "Name": "g", "Networks": [{"DynamicPorts": [{"Label": "http"}]}],
            "Services": [{"Name": NAME, "PortLabel": "http", "TaskName": NAME, "Checks": [health]}],
            "Tasks": [{
                "Name": NAME, "Driver": "wasm", "Vault": {}, "Resources": {"CPU": 200, "MemoryMB": 200},
                "Config": {
                    "app": NAME, "http": [{"port": "http"}], "idle_timeout": "2s",
                    "component": [{"web": [component]}], "variable": [{"token": [{"secret": True}]}],
                },
            }],
        }],
    }  # fmt: skip


def statuses(world: World) -> list[str]:
    return [str(each["ClientStatus"]) for each in world.nomad(f"job/{NAME}/allocations") or []]


def events(world: World, allocation: str) -> list[str]:
    """What Nomad shows of the task, the newest last."""
    task = world.nomad(f"allocation/{allocation}")["TaskStates"][NAME]
    assert task["State"] == "running"
    return [str(event["DisplayMessage"]) for event in task["Events"]]


def until_parked(world: World, allocation: str) -> None:
    eventually("the app is parked", lambda: "it is parked until" in events(world, allocation)[-1], 120)


def ask(world: World) -> str:
    """The app's environment, from its own port."""
    (service,) = httpx.get(f"{world.stack.consul_addr}/v1/catalog/service/{NAME}", timeout=60).json()
    address = f"http://{service['ServiceAddress']}:{service['ServicePort']}"
    return httpx.get(f"{address}/env", timeout=60).raise_for_status().text


def healthy(world: World) -> bool:
    checks = httpx.get(f"{world.stack.consul_addr}/v1/health/checks/{NAME}", timeout=60).json()
    return [each["Status"] for each in checks] == ["passing"]


def processes() -> list[psutil.Process]:
    return [each for each in psutil.process_iter(["name"]) if each.info["name"] == f"wasm:{NAME}"]


def invoked(world: World, allocation: str) -> subprocess.CompletedProcess[str] | None:
    """What a console's request gave; None while Nomad still asks the plugin that was killed."""
    done = nomad_exec(world, allocation, "invoke", "GET", "/env")
    return None if "plugin is shut down" in done.stderr else done


def test_an_idle_app_is_parked(world: World, allocation: str) -> None:
    """It runs and is healthy without a process of its own, wakes with its secret, also after the plugin was killed,
    and stops in order.
    """
    eventually("Consul has it", lambda: healthy(world), 120)
    until_parked(world, allocation)
    eventually("no process of it is left", lambda: not processes())
    eventually("it is healthy", lambda: healthy(world))
    assert_nowhere(world, NAME, SECRET)
    assert f"TOKEN={SECRET}" in ask(world)
    eventually("Nomad tells of it", lambda: "a request woke the app" in events(world, allocation), 60)

    until_parked(world, allocation)
    before = world.plugins()
    for plugin in before:
        plugin.kill()
    eventually("there is another plugin", lambda: set(world.plugins()) - set(before), 120)
    assert f"TOKEN={SECRET}" in ask(world)
    until_parked(world, allocation)
    eventually("it is healthy", lambda: healthy(world))
    done = eventually("Nomad has the other plugin for it", lambda: invoked(world, allocation))
    assert (done.returncode, f"TOKEN={SECRET}" in done.stdout) == (0, True), done.stderr
    until_parked(world, allocation)

    httpx.delete(f"{world.stack.nomad_addr}/v1/job/{NAME}", timeout=60).raise_for_status()
    eventually("it has ended", lambda: statuses(world) == ["complete"], 120)
    task = world.nomad(f"allocation/{allocation}")["TaskStates"][NAME]
    assert (task["State"], task["Failed"], task["Restarts"]) == ("dead", False, 0)
