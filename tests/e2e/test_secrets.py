"""Secrets on a real node: where they must not be, and what reaches an app while it runs."""

from __future__ import annotations

import base64
import json
import secrets
import urllib.parse
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.driver.go_guests import go_guest
from tests.e2e.secrecy import assert_nowhere, forms
from tests.e2e.world import World, eventually
from wasmdeploy_cli.stack import directory
from wasmdeploy_cli.stack.keys import Keys

pytestmark = [pytest.mark.stack, pytest.mark.guests, pytest.mark.timeout(600)]

NAME = "vaulted"
# Seconds that a token lives. Nomad renews it half through, but one of 30 seconds or more when chance will have it.
PERIOD = 28
APP = f"""
[application]
name = "{NAME}"

[variables]
token = {{ secret = true }}
user = {{ secret = true, vault = "database/creds/{NAME}#username" }}
password = {{ secret = true, vault = "database/creds/{NAME}#password" }}

[[trigger.http]]
route = "/..."
component = "{NAME}"

[component.{NAME}]
source = "guest.wasm"
environment = {{ V_TOKEN = "{{{{ token }}}}", V_USER = "{{{{ user }}}}", V_PASSWORD = "{{{{ password }}}}" }}

[deploy]
host = "{NAME}.localhost"

[deploy.vault]
role = "wasmdeploy.default.{NAME}"
refresh = "1s"
"""


def value() -> str:
    """A new secret that every encoding changes."""
    return secrets.token_urlsafe(24) + "/+ ä&%"


class Vault:
    """The stack's Vault, as root."""

    def __init__(self, world: World) -> None:
        self._stack = world.stack
        owned = directory.opened(world.stack.data_dir)
        keys = Keys.load(owned.vault_keys) if owned else None
        assert keys is not None
        self._unseal_key = keys.unseal_key.reveal()

    def __call__(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        answer = httpx.request(
            method, f"{self._stack.vault_addr}/v1/{path}", json=body, timeout=30,
            headers={"X-Vault-Token": self._stack.vault_token.reveal()},
        )  # fmt: skip
        if answer.status_code == 404:
            return None
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def make(self, password: str) -> None:
        """Give these credentials from now on."""
        self("PUT", f"database/creds/{NAME}", {"username": "shop", "password": password, "ttl": "1h"})

    def leases(self) -> int:
        """How many leases of them there are."""
        return len(
            (self("LIST", f"sys/leases/lookup/database/creds/{NAME}") or {"data": {"keys": []}})["data"][
                "keys"
            ]
        )

    def tokens(self) -> list[dict[str, Any]]:
        """The app's tokens."""
        found = []
        for accessor in self("LIST", "auth/token/accessors")["data"]["keys"]:
            with suppress(httpx.HTTPStatusError):  # another's, which has just ended
                token = self("POST", "auth/token/lookup-accessor", {"accessor": accessor})
                found += [token["data"]] if token else []
        return [each for each in found if f"wasmdeploy.default.{NAME}" in each["policies"]]

    def are_renewed(self) -> bool:
        """Whether Nomad has just renewed the app's tokens."""
        tokens = self.tokens()
        return bool(tokens) and all(each["ttl"] > PERIOD - 4 for each in tokens)

    def end_tokens(self) -> None:
        """Revoke the app's tokens, and with them their leases."""
        for each in self.tokens():
            self("POST", "auth/token/revoke-accessor", {"accessor": each["accessor"]})

    def unseal(self) -> None:
        """Open it."""
        self("PUT", "sys/unseal", {"key": self._unseal_key})
        eventually(
            "Vault is active",
            lambda: httpx.get(f"{self._stack.vault_addr}/v1/sys/health", timeout=60).status_code == 200,
        )


@pytest.fixture
def vault(world: World) -> Iterator[Vault]:
    """The stack's Vault with an engine that leases what it gives; see tests/driver/test_keeper.py."""
    vault = Vault(world)
    options = {"version": "1", "leased_passthrough": "true"}
    vault("POST", "sys/mounts/database", {"type": "kv", "options": options})
    yield vault
    vault("DELETE", "sys/mounts/database")


def shown(world: World) -> dict[str, str]:
    """What the app's guest has."""
    lines = world.get(f"{NAME}.localhost", "/json").json()
    return {key: text for key, _, text in (line.partition("=") for line in lines) if key.startswith("V_")}


def failed_start(event: str) -> bool:
    """Whether it says that the task could not be started again without Vault."""
    return "is sealed or not ready" in event and "goes on with the values" not in event


def events(world: World) -> list[str]:
    """The task's events, also those of an allocation that does not run now."""
    states = [each["TaskStates"] or {} for each in world.nomad(f"job/{NAME}/allocations")]
    return [
        event["DisplayMessage"] for tasks in states for task in tasks.values() for event in task["Events"]
    ]


@pytest.mark.parametrize("encode", [
    str, urllib.parse.quote, urllib.parse.quote_plus, json.dumps, lambda text: text.encode().hex(),
    lambda text: base64.b64encode(f"x={text}".encode()).decode(),
    lambda text: base64.urlsafe_b64encode(f"{text}!".encode()).decode(),
])  # fmt: skip
def test_the_search_would_find_it(encode: Any) -> None:
    """Each form is found in a text that has it."""
    secret = value()
    content = f"before {encode(secret)} after".encode()
    assert any(form in content for form in forms(secret))


def test_secrets_of_a_running_app(world: World, vault: Vault, tmp_path: Path) -> None:
    """Changes in Vault, dead tokens and a sealed Vault reach or spare a running task; the values are nowhere else."""
    (tmp_path / "wasmdeploy.toml").write_text(APP)
    (tmp_path / "guest.wasm").write_bytes(go_guest("go-cgi").read_bytes())
    first, second, third, fourth, fifth = (value() for _ in range(5))
    world.put_secret(f"default/{NAME}", token=first)
    vault.make(second)
    world.cli("secrets", "setup", tmp_path)
    role = f"auth/jwt-nomad/role/wasmdeploy.default.{NAME}"
    # So that Nomad soon notices that a token is no more.
    vault("POST", role, {**vault("GET", role)["data"], "token_period": PERIOD})
    world.cli("deploy", tmp_path)
    try:
        assert shown(world) == {"V_TOKEN": first, "V_USER": "shop", "V_PASSWORD": second}
        assert vault.leases() == 1
        (executor,) = world.executors()

        world.put_secret(f"default/{NAME}", token=third)
        eventually("the change is there", lambda: shown(world)["V_TOKEN"] == third)

        vault.make(fourth)
        # The task is to miss its token before Nomad does, which would pass on another: it asks every second.
        eventually("Nomad has renewed the token", vault.are_renewed, 60)
        vault.end_tokens()
        eventually("its lease has ended", lambda: vault.leases() == 0)
        unknown = "does not know the task's token"
        eventually("the task tells of it", lambda: any(unknown in each for each in events(world)), 60)
        eventually("there are new credentials", lambda: shown(world)["V_PASSWORD"] == fourth, 90)
        assert vault.leases() == 1

        vault("PUT", "sys/seal")
        try:
            eventually(
                "the task tells of it",
                lambda: any("is sealed or not ready" in each for each in events(world)),
                60,
            )
            (plugin,) = world.plugins()
            plugin.kill()
            eventually(
                "there is another plugin", lambda: [each for each in world.plugins() if each != plugin], 90
            )
            assert shown(world) == {"V_TOKEN": third, "V_USER": "shop", "V_PASSWORD": fourth}
        finally:
            vault.unseal()
        world.put_secret(f"default/{NAME}", token=fifth)
        eventually("a change is there again", lambda: shown(world)["V_TOKEN"] == fifth, 90)
        assert [each.pid for each in world.executors()] == [executor.pid]
        assert world.running(NAME)["TaskStates"][NAME]["Restarts"] == 0
        assert_nowhere(world, NAME, first, second, third, fourth, fifth)
        for process in [*world.family(), *world.plugins()]:
            with suppress(psutil.NoSuchProcess):  # an idle one ends
                assert process.rlimit(psutil.RLIMIT_CORE) == (0, 0)

        # Values are in memory only: a task that starts again waits for Vault.
        vault("PUT", "sys/seal")
        try:
            executor.kill()
            eventually(
                "the start fails",
                lambda: any(failed_start(each) for each in events(world)),
                60,
            )
        finally:
            vault.unseal()
        eventually("it serves again", lambda: world.get(f"{NAME}.localhost").status_code == 200, 180)
        assert shown(world) == {"V_TOKEN": fifth, "V_USER": "shop", "V_PASSWORD": fourth}
    finally:
        world.cli("destroy", tmp_path)
    # The killed executor's lease ends with the task's token.
    eventually("no lease is left", lambda: vault.leases() == 0, 120)


def test_a_role_that_is_not_there(world: World, vault: Vault, tmp_path: Path) -> None:
    """A deploy whose role Vault does not know says so."""
    (tmp_path / "wasmdeploy.toml").write_text(APP.replace(f"wasmdeploy.default.{NAME}", "nobody"))
    (tmp_path / "guest.wasm").write_bytes(go_guest("go-cgi").read_bytes())
    world.put_secret(f"default/{NAME}", token="x")
    vault.make("x")
    try:
        done = world.cli("deploy", tmp_path, code=1)
        said = [line for line in done.stderr.splitlines() if line.startswith(("error:", "hint:"))]
        assert said == [
            f"error: version 0 of {NAME} did not come up: "
            'Vault gives the task no token: role "nobody" could not be found',
            "hint: wasmdeploy secrets setup, and deploy.vault.role in the manifest; wasmdeploy doctor",
        ]
    finally:
        world.cli("destroy", tmp_path, code=None)
