"""What must not be deployed: each case is one clear error, and nothing is sent."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import wasmtime

from tests.driver.go_guests import go_guest
from tests.e2e.world import World, eventually
from tests.stack import build
from wasmdeploy_cli.stack.ports import free_now

pytestmark = [pytest.mark.stack, pytest.mark.guests, pytest.mark.timeout(600)]

MANIFEST = """
[application]
name = "bad"

[variables]
token = { secret = true }

[[trigger.http]]
route = "/..."
component = "bad"

[component.bad]
source = "bad.wasm"
environment = { TOKEN = "{{ token }}" }

[deploy]
host = "bad.localhost"
"""

WASI_03 = '(component (import "wasi:http/types@0.3.0" (instance)))'
NO_EXPORT = '(component (import "wasi:cli/stdin@0.2.0" (instance)))'
NOWHERE = "http://127.0.0.1:1"


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    """An app whose component is a usable CGI module and whose secret is not in Vault."""
    (tmp_path / "wasmdeploy.toml").write_text(MANIFEST)
    (tmp_path / "bad.wasm").write_bytes(go_guest("go-cgi").read_bytes())
    return tmp_path


def refused(world: World, app: Path, *words: str, **env: str) -> None:
    """`deploy` ends with one line of error that has all `words`, and the cluster has seen nothing."""
    done = world.cli("deploy", app, code=None, **env)
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode not in (0, 130), done.stderr
    assert len(lines) == 1, done.stderr
    assert not [word for word in words if word not in done.stderr], done.stderr
    assert done.stdout == ""
    assert world.nomad("job/bad") is None
    assert not (world.stack.components_dir / "default" / "bad").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"#!/bin/sh\n", ("bad.wasm is not a WebAssembly file",)),
        (b"", ("bad.wasm is not a WebAssembly file",)),
        (bytes(wasmtime.wat2wasm(WASI_03)), ("WASI 0.3", "wasi:http/types@0.3.0")),
        (bytes(wasmtime.wat2wasm(NO_EXPORT)), ("does not export wasi:http/incoming-handler",)),
        (bytes(wasmtime.wat2wasm('(module (func (export "main")))')), ("does not export _start", "main")),
    ],
    ids=["text", "empty", "wasi-0.3", "no-handler", "no-start"],
)
def test_an_unusable_file_is_refused(world: World, bad: Path, content: bytes, words: tuple[str, ...]) -> None:
    """A file that no node could run is named before anything is sent."""
    (bad / "bad.wasm").write_bytes(content)
    refused(world, bad, *words)


def test_a_truncated_module_is_refused(world: World, bad: Path) -> None:
    """A copy that broke off is found, wherever it broke off."""
    whole = (bad / "bad.wasm").read_bytes()
    for size in (9, len(whole) // 2, len(whole) - 1):
        (bad / "bad.wasm").write_bytes(whole[:size])
        refused(world, bad, "truncated or damaged")


def test_a_missing_file_says_what_to_do(world: World, bad: Path) -> None:
    """A component that is not there and has no build command is told what may be wrong."""
    (bad / "bad.wasm").unlink()
    refused(world, bad, "bad.wasm", "[component.")


def test_a_missing_secret_is_named_with_its_place(world: World, bad: Path) -> None:
    """The secret's name, path and field are in the error."""
    refused(world, bad, "no such secret: token (secret/default/bad#token)")


def test_unreachable_programs_are_named_with_their_address(world: World, bad: Path) -> None:
    """Nomad, Consul and Vault are each told apart."""
    nomad = {
        "NOMAD_ADDR": world.stack.nomad_addr,
        "WASMDEPLOY_COMPONENT_DIR": str(world.stack.components_dir),
    }
    refused(world, bad, f"Nomad at {NOWHERE} cannot be reached", NOMAD_ADDR=NOWHERE)
    refused(world, bad, f"Consul at {NOWHERE}", "cannot be reached", **nomad, CONSUL_HTTP_ADDR=NOWHERE)
    refused(world, bad, f"Vault at {NOWHERE} cannot be reached", **nomad, VAULT_ADDR=NOWHERE, VAULT_TOKEN="x")
    refused(
        world,
        bad,
        "does not know the token",
        **nomad,
        VAULT_ADDR=world.stack.vault_addr,
        VAULT_TOKEN="x",
    )


@contextmanager
def dev_nomad(directory: Path, *options: str) -> Iterator[str]:
    """A Nomad of its own, without the driver."""
    is_free = free_now()
    http, rpc, serf = [port for port in range(21000, 21100) if is_free(port)][:3]
    config = directory / "dev.hcl"
    config.write_text(
        f'ports {{ http = {http} rpc = {rpc} serf = {serf} }}\nbind_addr = "127.0.0.1"\n'
        'client { options = { "fingerprint.denylist" = "env_aws,env_gce,env_azure,env_digitalocean" } }\n'
    )
    environment = {key: value for key, value in os.environ.items() if key != "AWS_CA_BUNDLE"}
    command = [build.ensure() / "nomad", "agent", "-dev", *options, "-config", config]
    with (
        (directory / "nomad.log").open("wb") as log,
        subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        ) as process,
    ):
        try:
            address = f"http://127.0.0.1:{http}"
            eventually("the agent answers", lambda: _answers(f"{address}/v1/status/leader"))
            yield address
        finally:
            process.terminate()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=60).text not in ("", '""')
    except httpx.HTTPError:
        return False


def test_a_nomad_without_the_driver_is_refused(
    world: World, bad: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The error names the driver and the command that installs it."""
    with dev_nomad(tmp_path_factory.mktemp("nomad")) as address:
        eventually("its node is ready", lambda: "ready" in httpx.get(f"{address}/v1/nodes", timeout=60).text)
        refused(
            world, bad, "no Nomad node has the driver 'wasm'", "wasmdeploy driver install", NOMAD_ADDR=address
        )


def test_a_wrong_nomad_token_is_refused(
    world: World, bad: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A token that Nomad does not know is told apart from a Nomad that is away."""
    with dev_nomad(tmp_path_factory.mktemp("nomad"), "-acl-enabled") as address:
        token = "00000000-0000-0000-0000-000000000000"
        refused(world, bad, "refuses", "NOMAD_TOKEN", NOMAD_ADDR=address, NOMAD_TOKEN=token)


def test_a_secret_missing_on_the_node_fails_the_deploy(world: World, bad: Path) -> None:
    """Where Vault is not known here, the node finds out: the deploy fails with its words, and destroy cleans up."""
    # Under another name the stack is not known as such, and its Vault not known here.
    env = {
        "NOMAD_ADDR": world.stack.nomad_addr.replace("127.0.0.1", "localhost"),
        "WASMDEPLOY_COMPONENT_DIR": str(world.stack.components_dir),
    }
    done = world.cli("deploy", bad, "--timeout", "90s", code=1, **env)
    assert "no such secret: token (secret/default/bad#token)" in done.stderr.splitlines()[-2]
    world.cli("destroy", bad)
    eventually("no process is left", lambda: world.family() == [])
