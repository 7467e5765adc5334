"""Two clients, two instances, and Traefik as the Nomad job that the project ships."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.driver.go_guests import go_guest
from tests.e2e.cli import PROGRAM, Cli, environment
from tests.e2e.world import World, eventually
from tests.stack import build
from tests.stack.fixtures import running_stack
from wasmdeploy_cli.stack.ports import free_now

pytestmark = [pytest.mark.stack, pytest.mark.guests, pytest.mark.timeout(600)]

JOB = Path(__file__).parents[2] / "jobspecs" / "traefik.nomad.hcl"
MANIFEST = """
[application]
name = "pair"

[[trigger.http]]
route = "/..."
component = "pair"

[component.pair]
source = "pair.wasm"

[deploy]
host = "pair.localhost"
count = 2
"""


def test_two_instances_behind_the_shipped_traefik_job(tmp_path: Path) -> None:
    """The job in jobspecs/ routes to both instances, follows logs, and stays when the app is destroyed."""
    (tmp_path / "wasmdeploy.toml").write_text(MANIFEST)
    (tmp_path / "pair.wasm").write_bytes(go_guest("go-cgi").read_bytes())
    is_free = free_now()
    port = next(number for number in range(22000, 22100) if is_free(number))
    with running_stack(tmp_path / "stack", clients=2, raw_exec=True) as stack:
        world = World(stack, Cli(stack.data_dir))
        programs = build.ensure()
        consul = stack.consul_addr.removeprefix("http://")
        variables = {
            "driver": "raw_exec",
            "command": str(programs / "traefik"),
            "http_port": str(port),
            "consul_address": consul,
        }
        options = [f"-var={name}={value}" for name, value in variables.items()]
        command = [programs / "nomad", "job", "run", f"-address={stack.nomad_addr}", "-detach", *options, JOB]
        subprocess.run(command, check=True, capture_output=True)
        world.cli("deploy", tmp_path)
        status = json.loads(world.cli("status", tmp_path, "--json").stdout)
        assert [each["healthy"] for each in status["allocations"]] == [True, True]
        url, headers = f"http://127.0.0.1:{port}/env", {"host": "pair.localhost"}
        eventually("Traefik's job routes", lambda: _status(url, headers) == 200)
        httpx.get(f"http://127.0.0.1:{port}/panic", headers=headers, timeout=60)
        world.logged("panic: as asked", tmp_path, "--component", "pair")
        assert "has no component 'api'" in world.cli("logs", tmp_path, "--component", "api", code=1).stderr
        follow = _followed(world, tmp_path, url.replace("/env", "/fail"), headers)
        assert any("the guest ended with exit code 3" in line for line in follow)
        world.cli("destroy", tmp_path)
        eventually("its route is gone", lambda: _status(url, headers) == 404)


def _status(url: str, headers: dict[str, str]) -> int:
    try:
        return httpx.get(url, headers=headers, timeout=60).status_code
    except httpx.HTTPError:
        return 0


def _followed(world: World, app: Path, url: str, headers: dict[str, str]) -> list[str]:
    """The lines of `logs -f` up to the one that a request made while it runs causes."""
    command = [PROGRAM, "logs", "-f", app]
    env = environment(WASMDEPLOY_STACK_DIR=str(world.stack.data_dir))
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = []
        try:
            lines.append(process.stdout.readline())  # what was there before
            httpx.get(url, headers=headers, timeout=60)
            while "exit code 3" not in lines[-1]:
                lines.append(process.stdout.readline())
        finally:
            process.kill()
    return lines
