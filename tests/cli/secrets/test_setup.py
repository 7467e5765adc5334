"""The policy and role as the real Vault takes them, down to what a job's identity may read with them."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from tests.cli.secrets.test_policy import app
from tests.stack.vault import VaultServer
from wasmdeploy_cli.errors import SecretError
from wasmdeploy_cli.secrets.policy import access
from wasmdeploy_cli.secrets.setup import setup
from wasmdeploy_cli.vault import Kv, Vault

pytestmark = pytest.mark.stack


def encoded(data: bytes) -> str:
    """As tokens have it."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def identity(key: Path, **claims: object) -> str:
    """A task's identity as Nomad signs it."""
    now = int(time.time())
    body = {
        "aud": ["vault.io"],
        "iat": now,
        "nbf": now - 5,
        "exp": now + 600,
        "sub": "x",
        "nomad_task": "t",
        **claims,
    }
    text = ".".join(encoded(json.dumps(part).encode()) for part in ({"alg": "RS256", "typ": "JWT"}, body))
    command = ["openssl", "dgst", "-sha256", "-sign", key]
    signature = subprocess.run(command, input=text.encode(), capture_output=True, check=True).stdout
    return f"{text}.{encoded(signature)}"


@pytest.fixture
def key(vault: VaultServer, tmp_path: Path) -> Path:
    """A key whose identities the method `jwt-nomad` trusts, in place of Nomad's."""
    return trusted_key(vault, tmp_path)


def trusted_key(vault: VaultServer, directory: Path) -> Path:
    """Make a key, and the method `jwt-nomad` that trusts it."""
    key = directory / "key.pem"
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    public = ["openssl", "rsa", "-in", key, "-pubout"]
    text = subprocess.run(public, check=True, capture_output=True, text=True).stdout
    if "jwt-nomad/" not in vault.api("GET", "sys/auth")["data"]:
        vault.api("POST", "sys/auth/jwt-nomad", {"type": "jwt"})
    vault.api("POST", "auth/jwt-nomad/config", {"jwt_validation_pubkeys": [text]})
    return key


def logged_in(vault: VaultServer, token: str) -> httpx.Response:
    """A login with the app's role."""
    body = {"role": "wasmdeploy.prod.shop", "jwt": token}
    return httpx.post(f"{vault.address}/v1/auth/jwt-nomad/login", json=body, timeout=60)


def test_it_is_done_once(vault: VaultServer, key: Path, tmp_path: Path) -> None:
    """The first run creates, the second changes nothing, a changed one is brought back and shown line by line."""
    client, wanted = Vault(vault.settings()), access(app(tmp_path, "once"), "vault.io")
    tried = setup(client, wanted, "jwt-nomad", write=False)
    assert [step.outcome for step in tried] == ["created", "created"]
    assert [step.outcome for step in setup(client, wanted, "jwt-nomad")] == ["created", "created"]
    assert [step.outcome for step in setup(client, wanted, "jwt-nomad")] == ["unchanged", "unchanged"]
    role = "auth/jwt-nomad/role/wasmdeploy.once.shop"
    vault.api("POST", role, {**wanted.role, "bound_audiences": ["other"]})
    policy, changed = setup(client, wanted, "jwt-nomad")
    assert (policy.outcome, changed.outcome) == ("unchanged", "updated")
    assert changed.changes == ("- bound_audiences = other", "+ bound_audiences = vault.io")
    assert [step.outcome for step in setup(client, wanted, "jwt-nomad")] == ["unchanged", "unchanged"]


def test_what_a_jobs_identity_may_read(vault: VaultServer, key: Path, tmp_path: Path) -> None:
    """The app's own identity reads its paths and no other; another job's or namespace's identity gets no token."""
    setup(Vault(vault.settings()), access(app(tmp_path), "vault.io"), "jwt-nomad")
    for path in ("prod/shop", "prod/bank", "prod/shop/below"):
        vault.api("POST", f"secret/data/{path}", {"data": {"token": "1"}})
    answer = logged_in(vault, identity(key, nomad_namespace="prod", nomad_job_id="shop"))
    token = answer.json()["auth"]["client_token"]
    kv = Kv(Vault(vault.settings(token)))
    assert kv.read("secret/prod/shop").fields == {"token": "1"}
    for path in ("secret/prod/bank", "secret/prod/shop/below"):
        with pytest.raises(SecretError, match="refuses to read"):
            kv.read(path)
    with pytest.raises(SecretError, match="refuses to write"):
        kv.write("secret/prod/shop", {}, 1)
    for job, namespace in (("bank", "prod"), ("shop", "test"), ("*", "prod"), ("shop", "*")):
        refused = logged_in(vault, identity(key, nomad_namespace=namespace, nomad_job_id=job))
        assert refused.status_code == 400, refused.text


def test_a_method_that_is_not_there(vault: VaultServer, tmp_path: Path) -> None:
    """Without the JWT method nothing is written, and the error names the place."""
    with pytest.raises(SecretError, match="nothing mounted for auth/elsewhere"):
        setup(Vault(vault.settings()), access(app(tmp_path), "x"), "elsewhere")


def test_a_token_that_may_not(vault: VaultServer, key: Path, tmp_path: Path) -> None:
    """A token without the right to write policies is told what it may not."""
    with pytest.raises(SecretError, match="refuses to read"):
        setup(Vault(vault.settings(vault.token())), access(app(tmp_path), "x"), "jwt-nomad")
