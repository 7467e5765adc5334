"""One app from `new` to `destroy`, as the README tells it, on the real programs."""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
import tomllib
from pathlib import Path

import httpx
import pytest

from tests.e2e.load import Load, steady
from tests.e2e.world import World, eventually

pytestmark = [pytest.mark.stack, pytest.mark.guests, pytest.mark.timeout(600)]

HANDLER = """
import hashlib
from wasmdeploy_http import Request, Response, variable

VERSION = "VERSION_HERE"

def handle(request: Request) -> Response:
    print("asked for", request.path)
    if request.method == "POST":
        return Response(f"{VERSION} {len(request.body)}")
    return Response(f"{VERSION} {hashlib.sha256(variable('token').encode()).hexdigest()}")
"""


def write_app(directory: Path, version: str, host: str) -> None:
    """An app that answers with its version and a hash of its secret."""
    (directory / "app.py").write_text(HANDLER.replace("VERSION_HERE", version))
    manifest = directory / "wasmdeploy.toml"
    text = manifest.read_text()
    if "secret" not in text:
        text = text.replace("[variables]\n", "[variables]\ntoken = { secret = true }\n")
        text = text.replace("variables = { ", 'variables = { token = "{{ token }}", ')
        # A hundred requests a second must be easy for a small machine that builds and compiles beside it.
        text = text.replace("source =", 'isolation = "instance"\nsource =')
    lines = [f'host = "{host}"' if line.startswith("host =") else line for line in text.splitlines()]
    manifest.write_text("\n".join(lines) + "\n")


def write(file: Path, text: str) -> Path:
    """A file with a text in it."""
    file.write_text(text)
    return file


def move(world: World, load: Load, host: str) -> None:
    """Send the load to another host once that answers."""
    eventually(f"{host} answers", lambda: world.get(host).status_code == 200, 120)
    load.host = host


def test_an_app_is_deployed_changed_under_load_and_destroyed(world: World, app: Path) -> None:
    """An app with a secret serves through Traefik, changes handler and host without one failure, and leaves nothing."""
    name = tomllib.loads((app / "wasmdeploy.toml").read_text())["application"]["name"]
    secret = secrets.token_hex(16)
    digest = hashlib.sha256(secret.encode()).hexdigest()
    world.put_secret(f"default/{name}", token=secret)
    write_app(app, "one", "one.localhost")
    world.cli("build", app)
    done = world.cli("deploy", app)
    assert done.stdout.startswith(f"Deployed {name} http://one.localhost:")
    assert world.get("one.localhost").text == f"one {digest}"

    write_app(app, "two", "two.localhost")
    assert "  stale: " in world.cli("plan", app, code=1).stdout
    world.cli("build", app)
    assert "  stale: " not in world.cli("plan", app, code=1).stdout
    with steady(world.stack.traefik_addr, "one.localhost") as load:
        # Clients move to the new host as soon as it answers; the old one is served until then, and longer.
        moved = threading.Thread(target=lambda: move(world, load, "two.localhost"))
        moved.start()
        world.cli("deploy", app)
        moved.join()
        eventually("the old version has left", lambda: len(world.executors()) == 1)
        eventually("it was under load", lambda: load.sent >= 1500)
    assert load.failures == []
    assert load.bodies == {f"one {digest}", "one 100", f"two {digest}", "two 100"}
    assert world.get("two.localhost").text == f"two {digest}"
    assert world.get("one.localhost").status_code == 404

    # A secret that has changed is a new version; without a change there is none.
    assert "Nothing changed: version 1 stays" in world.cli("deploy", app).stderr
    done = world.cli("secrets", "set", "token", app, "--file", write(app / "token", "changed\n"))
    assert "Stored token, version 2" in done.stderr
    world.cli("deploy", app)
    # Both versions have the same route: the old one answers too until Traefik has seen that it left.
    changed = f"two {hashlib.sha256(b'changed').hexdigest()}"
    eventually(
        "the new secret's effect", lambda: {world.get("two.localhost").text for _ in range(4)} == {changed}
    )
    listed = json.loads(world.cli("secrets", "list", app, "--json").stdout)
    place = {"path": f"secret/default/{name}", "field": "token"}
    assert listed == [{"secret": "token", **place, "stored": True, "version": 2}]

    status = json.loads(world.cli("status", app, "--json").stdout)
    assert (status["version"], status["serving"], status["state"]) == (2, True, "running")
    assert status["url"] == f"http://two.localhost:{world.stack.traefik_addr.rpartition(':')[2]}/"
    world.logged("asked for /", app)

    ids = [each["ID"] for each in world.nomad(f"job/{name}/allocations")]
    assert ids
    world.cli("destroy", app)
    assert world.nomad(f"job/{name}") is None
    assert name not in world.services()
    eventually("no process is left", lambda: world.family() == [])
    assert list((world.stack.components_dir).rglob("*.wasm")) == []
    leftovers = list(world.stack.data_dir.rglob("control.sock"))
    assert leftovers == []
    places = [world.stack.data_dir / "client-1" / "alloc" / each for each in ids]
    eventually("its allocations are gone", lambda: not [each for each in places if each.exists()])


def _ready(world: World, client: str) -> bool:
    return any(each["Name"] == client and each["Status"] == "ready" for each in world.nomad("nodes"))


def test_a_restart_of_plugin_or_agent_is_not_noticed_by_clients(world: World, app: Path) -> None:
    """The plugin killed under load, then the Nomad client killed and started again: no failure, the same executor."""
    name = tomllib.loads((app / "wasmdeploy.toml").read_text())["application"]["name"]
    world.put_secret(f"default/{name}", token="x")
    write_app(app, "one", "life.localhost")
    world.cli("build", app)
    world.cli("deploy", app)
    (executor,) = world.executors()
    with steady(world.stack.traefik_addr, "life.localhost") as load:
        (plugin,) = world.plugins()
        plugin.kill()
        eventually("a new plugin", lambda: [each for each in world.plugins() if each.pid != plugin.pid])
        world.member("client-1").kill()
        httpx.get(f"{world.stack.nomad_addr}/v1/status/leader", timeout=60).raise_for_status()
        world.cli("stack", "up")
        eventually("the client is ready", lambda: _ready(world, "client-1"), 120)
        allocation = eventually("the task is known again", lambda: world.running(name))
        eventually("the load goes on after that", lambda: load.sent >= 1500)
    assert load.failures == []
    assert [each.pid for each in world.executors()] == [executor.pid]
    assert [task["Restarts"] for task in allocation["TaskStates"].values()] == [0]
    # The recovered task is really in the driver's hands: it stops when it is told to.
    world.cli("destroy", app)
    eventually("no process is left", lambda: world.family() == [])
