"""What Vault refuses, and how that is told: each case with the real program."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.stack.vault import VaultServer, running_vault
from wasmdeploy_cli.errors import SecretError, SecretUnavailable
from wasmdeploy_cli.nomad import Settings
from wasmdeploy_cli.nomad.tls import Tls
from wasmdeploy_cli.vault import Kv, Vault

pytestmark = pytest.mark.stack


def refused(settings: Settings, path: str = "secret/default/shop") -> SecretError:
    """The error of reading a path."""
    with pytest.raises(SecretError) as caught:
        Kv(Vault(settings)).read(path)
    assert settings.vault in caught.value.message
    assert (
        settings.vault_token.reveal() not in (caught.value.message + caught.value.hint)
        or not settings.vault_token.reveal()
    )
    return caught.value


def test_a_token_that_vault_does_not_know(vault: VaultServer) -> None:
    """An invented token, a revoked one and one past its time are told apart from one with too few rights."""
    revoked = vault.token()
    vault.api("POST", "auth/token/revoke", {"token": revoked})
    for token in ("hvs.invented", revoked):
        error = refused(vault.settings(token))
        assert "does not know the token: it has expired, was revoked" in error.message
        assert "vault login" in error.hint


def test_no_token(vault: VaultServer) -> None:
    """Without a token, the error says that there is none."""
    assert (
        "wants a token to read secret/default/shop, and there is none" in refused(vault.settings("")).message
    )


def test_a_policy_that_does_not_allow_it(vault: VaultServer) -> None:
    """A good token without the right is told so, with the path."""
    error = refused(vault.settings(vault.token(("secret/data/other", '"read"'))))
    assert "refuses to read secret/default/shop: the token's policies do not allow it" in error.message


def test_a_missing_mount(vault: VaultServer) -> None:
    """A path below no mount is told apart from one that has nothing."""
    assert "has nothing mounted for nowhere/data/x" in refused(vault.settings(), "nowhere/x").message
    assert Kv(Vault(vault.settings())).read("secret/nothing/here").fields == {}


def test_an_engine_of_another_version(vault: VaultServer) -> None:
    """KV version 1 is named as what it is, reading and writing."""
    vault.api("POST", "sys/mounts/old", {"type": "kv", "options": {"version": "1"}})
    kv = Kv(Vault(vault.settings()))
    vault.api("POST", "old/data/app", {"key": "x"})
    assert "no KV engine of version 2" in refused(vault.settings(), "old/app").message
    with pytest.raises(SecretError, match="no KV engine of version 2"):
        kv.write("old/app", {"key": "y"}, 0)


def test_a_sealed_vault(tmp_path: Path) -> None:
    """A sealed Vault says so, and what opens it; once open it works again."""
    with running_vault(tmp_path) as server:
        server.api("PUT", "sys/seal")
        error = refused(server.settings())
        assert (type(error), error.message) == (SecretUnavailable, f"Vault at {server.address} is sealed")
        assert "vault operator unseal" in error.hint
        assert Vault(server.settings("")).health()["sealed"] is True
        server.unseal()
        assert Vault(server.settings("")).health()["sealed"] is False
        assert Kv(Vault(server.settings())).read("secret/x").number == 0


def test_a_vault_that_is_away() -> None:
    """No answer names the address."""
    settings = VaultServer("http://127.0.0.1:1", "x", "", Tls()).settings()
    assert "cannot be reached" in refused(settings).message


def test_no_vault_at_all() -> None:
    """Without an address the error says which variables give one."""
    with pytest.raises(SecretError, match="no Vault is known here") as caught:
        Vault(Settings("http://127.0.0.1:1"))
    assert "VAULT_ADDR" in caught.value.hint


def test_mutual_tls(tmp_path: Path) -> None:
    """Certificates on both sides work, and each that is missing or wrong is named with its variable."""
    with running_vault(tmp_path, tls=True) as server:
        assert Kv(Vault(server.settings())).read("secret/x").number == 0
        whole = server.tls
        for tls, said, variable in (
            (replace(whole, cert=None), "it wants a client certificate", "VAULT_CLIENT_CERT"),
            (replace(whole, verify=True), "its certificate is not trusted", "VAULT_CACERT"),
            (replace(whole, server_name=""), "its certificate is for another name", "VAULT_TLS_SERVER_NAME"),
        ):
            error = refused(server.settings(vault_tls=tls))
            assert said in error.message
            assert variable in error.hint
        assert Kv(Vault(server.settings(vault_tls=replace(whole, verify=False)))).read("secret/x").number == 0
        plain = replace(server.settings(), vault=server.address.replace("https", "http"))
        assert "speaks TLS only" in refused(plain).message


def test_tls_to_a_server_that_has_none(vault: VaultServer) -> None:
    """An https address of a plain server is told so."""
    error = refused(replace(vault.settings(), vault=vault.address.replace("http", "https")))
    assert "it does not speak TLS" in error.message


def test_capabilities_and_token(vault: VaultServer) -> None:
    """What a token is and may do is read as Vault tells it."""
    token = vault.token(("secret/data/a", '"read", "update"'), ttl="1h")
    client = Vault(vault.settings(token))
    assert client.capabilities("secret/data/a", "secret/data/b") == {
        "secret/data/a": ["read", "update"], "secret/data/b": ["deny"],
    }  # fmt: skip
    assert 3500 < client.token()["ttl"] <= 3600
    assert client.token()["policies"] == ["default", "of-a-test"]
