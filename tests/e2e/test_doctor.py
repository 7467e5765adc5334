"""`wasmdeploy doctor` on the real stack: whole, and broken in one place at a time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.driver.go_guests import go_guest
from tests.e2e.test_bad_input import dev_nomad
from tests.e2e.world import World, eventually
from wasmdeploy_cli.stack import directory
from wasmdeploy_cli.stack.config import JWT_PATH
from wasmdeploy_cli.stack.keys import Keys

pytestmark = [pytest.mark.stack, pytest.mark.guests, pytest.mark.timeout(600)]

MANIFEST = """
[application]
name = "doctored"

[variables]
token = { secret = true }

[[trigger.http]]
route = "/..."
component = "doctored"

[component.doctored]
source = "doctored.wasm"
environment = { TOKEN = "{{ token }}" }

[deploy]
host = "doctored.localhost"
"""


@pytest.fixture
def shop(world: World, tmp_path: Path) -> Path:
    """An app that is well: built, and its secret stored."""
    (tmp_path / "wasmdeploy.toml").write_text(MANIFEST)
    (tmp_path / "doctored.wasm").write_bytes(go_guest("go-cgi").read_bytes())
    world.put_secret("default/doctored", token="x")
    return tmp_path


def findings(world: World, app: Path, code: int, **env: str) -> list[dict[str, Any]]:
    """All findings, as JSON."""
    return list(json.loads(world.cli("doctor", app, "--json", code=code, **env).stdout))


def errors(world: World, app: Path, **env: str) -> list[str]:
    """The errors' messages; there are no warnings beside them."""
    found = findings(world, app, 1, **env)
    assert [each for each in found if each["severity"] == "warning"] == []
    assert all(each["fix"] for each in found if each["severity"] == "error")
    return [f"{each['check']}: {each['message']}" for each in found if each["severity"] == "error"]


def cluster(world: World) -> dict[str, str]:
    """The stack's programs by their variables, but Nomad."""
    return {
        "CONSUL_HTTP_ADDR": world.stack.consul_addr,
        "VAULT_ADDR": world.stack.vault_addr,
        "VAULT_TOKEN": world.stack.vault_token.reveal(),
        "TRAEFIK_ADDR": world.stack.traefik_addr,
    }


def test_all_is_well(world: World, shop: Path) -> None:
    """Before the deploy and after it nothing is wrong, and the route is seen."""
    found = findings(world, shop, 0)
    assert {each["severity"] for each in found} <= {"ok", "note"}, found
    checks = [each["check"] for each in found]
    assert checks[:3] == ["manifest", "component doctored", "nomad"]
    assert {"node client-1", "consul", "vault", "secrets", "vault role", "traefik", "traefik refresh"} <= set(
        checks
    )
    assert "route" not in checks
    world.cli("deploy", shop)
    try:
        assert [each["severity"] for each in findings(world, shop, 0) if each["check"] == "route"] == ["ok"]
    finally:
        world.cli("destroy", shop)


def test_the_pages_examples_run(world: World, shop: Path) -> None:
    """What docs/doctor.md shows works as it is written there, but for the missing secret that it shows an error of."""
    page = (Path(__file__).parents[2] / "docs" / "doctor.md").read_text()
    (block,) = re.findall(r"```console\n(.*?)```", page, re.S)
    for line in block.splitlines():
        words = line.removeprefix("$ wasmdeploy ").partition(" >")[0].split()
        world.cli(*words, cwd=shop)
    world.put_secret("default/doctored", other="x")
    told = world.cli("doctor", cwd=shop, code=1).stdout
    (shown,) = re.findall(r"```text\n.*?(error.*?)```", page, re.S)
    assert shown.replace("shop", "doctored") in told


def test_without_an_app(world: World, tmp_path: Path) -> None:
    """Where there is no manifest, the cluster is checked and that is said."""
    done = world.cli("doctor", cwd=tmp_path)
    assert done.stdout.startswith("note    app, manifest: no manifest is here")
    assert "ok      cluster, consul: answers" in done.stdout
    assert "ok" not in world.cli("doctor", "-q", cwd=tmp_path).stdout.split()


def test_a_broken_app_asks_no_cluster(world: World, shop: Path) -> None:
    """With --app-only a broken component is found without a cluster."""
    (shop / "doctored.wasm").write_bytes(b"\0asm")
    done = world.cli("doctor", shop, "--app-only", code=1, NOMAD_ADDR="http://127.0.0.1:1")
    assert "error   app, component doctored: " in done.stdout
    assert "cluster" not in done.stdout


def test_a_missing_secret(world: World, shop: Path) -> None:
    """A secret that is not stored is the one error, with the command that stores it."""
    world.put_secret("default/doctored", other="x")
    assert errors(world, shop) == ["secrets: Vault has no token"]


def test_wrong_tokens(world: World, shop: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A token that Vault, or Nomad, does not know is the one error."""
    env = {"NOMAD_ADDR": world.stack.nomad_addr, **cluster(world), "VAULT_TOKEN": "hvs.invented"}
    (only,) = errors(world, shop, **env)
    assert only.startswith(f"vault: Vault at {world.stack.vault_addr} does not know the token")
    with dev_nomad(tmp_path_factory.mktemp("nomad"), "-acl-enabled") as address:
        token = "00000000-0000-0000-0000-000000000000"
        (only,) = errors(world, shop, **cluster(world), NOMAD_ADDR=address, NOMAD_TOKEN=token)
        assert only.startswith(f"nomad: Nomad at {address} refuses jobs")
        reader = _reader(address)
        (only,) = [
            each for each in errors(world, shop, **cluster(world), NOMAD_ADDR=address, NOMAD_TOKEN=reader)
            if each.startswith("nomad")
        ]  # fmt: skip
        assert only == "nomad token: the token may not submit jobs in default"


def _reader(address: str) -> str:
    """A token of Nomad's that may read and no more."""
    root = {"X-Nomad-Token": httpx.post(f"{address}/v1/acl/bootstrap", timeout=60).json()["SecretID"]}
    rules = 'namespace "default" { policy = "read" }\nnode { policy = "read" }\nagent { policy = "read" }'
    policy = {"Name": "reader", "Rules": rules}
    httpx.post(f"{address}/v1/acl/policy/reader", headers=root, json=policy, timeout=60).raise_for_status()
    token = {"Name": "reader", "Type": "client", "Policies": ["reader"]}
    return str(httpx.post(f"{address}/v1/acl/token", headers=root, json=token, timeout=60).json()["SecretID"])


def test_no_driver(world: World, shop: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A Nomad whose nodes lack the driver, and nothing that says how they get components, are the errors."""
    (shop / "wasmdeploy.toml").write_text(
        MANIFEST.replace("token = { secret = true }", 'token = { default = "x" }')
    )
    with dev_nomad(tmp_path_factory.mktemp("nomad")) as address:
        eventually("its node is ready", lambda: "ready" in httpx.get(f"{address}/v1/nodes", timeout=60).text)
        env = {**cluster(world), "NOMAD_ADDR": address}
        assert errors(world, shop, **env) == [
            "driver: no Nomad node has the driver 'wasm'",
            "components: it is not said how the nodes get the components",
        ]


def test_a_wrong_audience(world: World, shop: Path) -> None:
    """A role for another audience, a role that is not there, and another job's are each the one error."""
    base = f"{world.stack.vault_addr}/v1/auth/{JWT_PATH}/role"
    headers = {"X-Vault-Token": world.stack.vault_token.reveal()}
    shared = httpx.get(f"{base}/nomad-workloads", headers=headers, timeout=60).json()["data"]
    role = {
        key: shared[key] for key in ("role_type", "user_claim", "user_claim_json_pointer", "token_policies")
    }
    bound = {"bound_audiences": ["vault.io"], "bound_claims": {"nomad_job_id": "bank"}}
    for name, more in (("else", {"bound_audiences": ["else"]}), ("bank", bound)):
        httpx.post(f"{base}/{name}", headers=headers, json={**role, **more}, timeout=60).raise_for_status()
    for name, message in (
        ("else", "vault role: the role 'else' takes another audience than Nomad's identities have"),
        ("bank", "vault role: the role 'bank' is another job's"),
        ("gone", "vault role: Vault has no role 'gone'"),
    ):
        (shop / "wasmdeploy.toml").write_text(f'{MANIFEST}\n[deploy.vault]\nrole = "{name}"\n')
        assert errors(world, shop) == [message]


def test_the_apps_own_role(world: World, shop: Path) -> None:
    """`secrets setup` makes a role with which the app is well, deploys and reads its secret."""
    world.cli("secrets", "setup", shop)
    (shop / "wasmdeploy.toml").write_text(
        f'{MANIFEST}\n[deploy.vault]\nrole = "wasmdeploy.default.doctored"\n'
    )
    found = findings(world, shop, 0)
    assert [each["evidence"] for each in found if each["check"] == "vault role"] == [
        "role wasmdeploy.default.doctored, wasmdeploy.default.doctored"
    ]
    world.cli("deploy", shop)
    try:
        assert "TOKEN=x" in world.get("doctored.localhost", "/env").text
    finally:
        world.cli("destroy", shop)


@contextmanager
def sealed(world: World) -> Iterator[None]:
    """Vault sealed, and open again afterwards."""
    address, headers = f"{world.stack.vault_addr}/v1/sys", {"X-Vault-Token": world.stack.vault_token.reveal()}
    httpx.put(f"{address}/seal", headers=headers, timeout=60).raise_for_status()
    try:
        yield
    finally:
        owned = directory.opened(world.stack.data_dir)
        assert owned is not None
        keys = Keys.load(owned.vault_keys)
        assert keys is not None
        httpx.put(f"{address}/unseal", json={"key": keys.unseal_key.reveal()}, timeout=60).raise_for_status()
        eventually("Vault is active", lambda: httpx.get(f"{address}/health", timeout=60).status_code == 200)


def test_a_sealed_vault(world: World, shop: Path) -> None:
    """A sealed Vault is the one error."""
    with sealed(world):
        assert errors(world, shop) == [f"vault: Vault at {world.stack.vault_addr} is sealed"]


def test_a_traefik_that_does_not_run(world: World, shop: Path) -> None:
    """A Traefik that has stopped is the one error."""
    traefik = world.member("traefik")
    traefik.kill()
    try:
        traefik.wait(30)
        (only,) = errors(world, shop)
        assert only == f"traefik: Traefik at {world.stack.traefik_addr} cannot be reached"
    finally:
        world.cli("stack", "up")
