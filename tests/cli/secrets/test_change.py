"""Two writers at once, with the real KV engine."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import pytest

from tests.stack.vault import VaultServer
from wasmdeploy_cli.errors import SecretError
from wasmdeploy_cli.secrets import Place
from wasmdeploy_cli.secrets.change import change
from wasmdeploy_cli.vault import Kv, Vault, Version
from wasmdeploy_driver.secrets import Secret

pytestmark = pytest.mark.stack

_number = count()


class Busy(Kv):
    """A KV in which somebody else writes each time between our reading and our writing."""

    def __init__(self, vault: Vault, other: Callable[[Kv], None]) -> None:
        super().__init__(vault)
        self._plain, self._other = Kv(vault), other

    def read(self, path: str, version: int = 0) -> Version:
        """Read, and let the other one write then."""
        found = super().read(path, version)
        self._other(self._plain)
        return found


@pytest.fixture
def place() -> Place:
    """A field of a path that no other test has."""
    return Place("token", f"secret/change/{next(_number)}", "token")


@pytest.fixture
def kv(vault: VaultServer) -> Kv:
    """KV as root."""
    return Kv(Vault(vault.settings()))


def put(kv: Kv, path: str, **fields: str) -> None:
    """What another writer does: it keeps the other fields."""
    now = kv.read(path)
    kv.write(path, {**now.fields, **fields}, now.number)


def test_fields_beside_it_stay(kv: Kv, place: Place) -> None:
    """A new value is a new version with the other fields; the same value again is none."""
    put(kv, place.path, other="x")
    (written,) = change(kv, {place: Secret("1")})
    assert (written.version, written.changed) == (2, ("token",))
    assert kv.read(place.path).fields == {"other": "x", "token": "1"}
    (written,) = change(kv, {place: Secret("1")})
    assert (written.version, written.changed) == (2, ())


def test_removing(kv: Kv, place: Place) -> None:
    """Removing a value makes a version without it, and removing what is not there makes none."""
    change(kv, {place: Secret("1")})
    (written,) = change(kv, {place: None})
    assert (written.version, kv.read(place.path).fields, kv.read(place.path, 1).fields) == (
        2,
        {},
        {"token": "1"},
    )
    assert change(kv, {place: None})[0].changed == ()


def test_one_version_for_all_fields_of_a_path(kv: Kv, place: Place) -> None:
    """Many secrets of one path become one version together."""
    more = Place("more", place.path, "more")
    change(kv, {place: Secret("1"), more: Secret("2")})
    assert (kv.read(place.path).number, kv.read(place.path).fields) == (1, {"token": "1", "more": "2"})


def test_another_fields_change_at_the_same_time_is_kept(vault: VaultServer, kv: Kv, place: Place) -> None:
    """Somebody who writes another field between our reading and writing loses nothing, nor do we."""
    rounds = iter([{"other": "theirs"}])

    def other(plain: Kv) -> None:
        for fields in [next(rounds, None)]:
            if fields:
                put(plain, place.path, **fields)

    change(Busy(Vault(vault.settings()), other), {place: Secret("ours")})
    assert kv.read(place.path).fields == {"other": "theirs", "token": "ours"}


def test_the_same_fields_change_at_the_same_time_is_an_error(
    vault: VaultServer, kv: Kv, place: Place
) -> None:
    """Somebody who writes our field meanwhile is not overwritten unseen: the error names it, never the values."""
    put(kv, place.path, token="before")
    rounds = iter(["theirs"])

    def other(plain: Kv) -> None:
        for value in [next(rounds, None)]:
            if value:
                put(plain, place.path, token=value)

    with pytest.raises(SecretError, match="token was changed by somebody else just now") as caught:
        change(Busy(Vault(vault.settings()), other), {place: Secret("ours")})
    assert "version 2" in caught.value.message
    assert not {"theirs", "ours", "before"} & set(caught.value.message.replace(",", " ").split())
    assert kv.read(place.path).fields == {"token": "theirs"}


def test_a_path_that_never_rests(vault: VaultServer, place: Place) -> None:
    """A path that is written all the time is given up after some tries."""
    numbers = count()
    busy = Busy(Vault(vault.settings()), lambda plain: put(plain, place.path, other=str(next(numbers))))
    with pytest.raises(SecretError, match="changes all the time"):
        change(busy, {place: Secret("ours")})
