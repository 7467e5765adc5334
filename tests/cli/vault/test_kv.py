"""Versions and check-and-set with the real KV engine."""

from __future__ import annotations

import pytest

from tests.stack.vault import VaultServer
from wasmdeploy_cli.errors import SecretError
from wasmdeploy_cli.vault import Kv, StoredSecrets, Vault
from wasmdeploy_driver.secrets import Secret, mount_and_path

pytestmark = pytest.mark.stack


@pytest.fixture
def kv(vault: VaultServer) -> Kv:
    """KV as root."""
    return Kv(Vault(vault.settings()))


def test_versions_are_kept(kv: Kv) -> None:
    """Each write is a new version; older ones are still read."""
    assert [kv.write("secret/kv/a", {"x": value}, after) for after, value in enumerate("uvw")] == [1, 2, 3]
    assert kv.read("secret/kv/a").secret("x") == Secret("w")
    assert kv.read("secret/kv/a", 1).secret("x") == Secret("u")
    assert kv.read("secret/kv/a", 9).fields == {}
    assert kv.read("secret/kv/a").created.startswith("20")


@pytest.mark.parametrize("after", [0, 2])
def test_only_over_what_was_read(kv: Kv, after: int) -> None:
    """A write after another version than the newest is refused and changes nothing."""
    path = f"secret/kv/cas{after}"
    kv.write(path, {"x": "1"}, 0)
    assert kv.write(path, {"x": "2"}, after) is None
    assert kv.read(path).number == 1


def test_a_deleted_version_has_its_number(kv: Kv, vault: VaultServer) -> None:
    """A path whose newest version was deleted has no fields, and the next write goes on from its number."""
    kv.write("secret/kv/gone", {"x": "1"}, 0)
    vault.api("DELETE", "secret/data/kv/gone")
    found = kv.read("secret/kv/gone")
    assert (found.number, found.fields) == (1, {})
    assert kv.write("secret/kv/gone", {"x": "2"}, 1) == 2


def test_values_that_are_no_text(kv: Kv) -> None:
    """They are shown as Vault shows them, and stay what they were when they are written back."""
    kv.write("secret/kv/types", {"n": 5, "t": True, "l": [1]}, 0)
    found = kv.read("secret/kv/types")
    assert [found.secret(name) for name in "ntl"] == [Secret("5"), Secret("true"), Secret("[1]")]
    assert found.fields == {"n": 5, "t": True, "l": [1]}
    assert "5" not in repr(found).replace(str(found.created), "")


def test_as_an_executor_reads(kv: Kv, vault: VaultServer) -> None:
    """Each path is read once, and the versions of those that were found are known."""
    kv.write("secret/kv/read", {"x": "1"}, 0)
    stored = StoredSecrets(Vault(vault.settings()))
    assert stored.read("secret/kv/read", "x") == Secret("1")
    kv.write("secret/kv/read", {"x": "2", "y": "3"}, 1)
    assert (stored.read("secret/kv/read", "x"), stored.read("secret/kv/read", "y")) == (Secret("1"), None)
    assert stored.read("secret/kv/none", "x") is None
    assert stored.versions == {"secret/kv/read": 1}


@pytest.mark.parametrize("path", ["", "secret", "/secret/"])
def test_a_path_without_a_mount(path: str) -> None:
    """A path needs a mount and something below it."""
    with pytest.raises(SecretError, match="needs a mount"):
        mount_and_path(path)


def test_credentials_are_not_read_here(vault: VaultServer) -> None:
    """What Vault makes when it is read is for tasks, which renew and revoke it."""
    stored = StoredSecrets(Vault(vault.settings()))
    with pytest.raises(
        SecretError, match="database/creds/app#username is made by Vault when a task reads it"
    ) as caught:
        stored.read("database/creds/app", "username")
    assert "--variable NAME=@FILE" in caught.value.hint
