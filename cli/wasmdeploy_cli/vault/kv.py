"""Vault's KV version 2: paths hold fields, and every write is a new version of all of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wasmdeploy_cli.errors import SecretError
from wasmdeploy_cli.vault.client import Vault
from wasmdeploy_driver.secrets import Secret, is_dynamic, mount_and_path


@dataclass(frozen=True, slots=True)
class Version:
    """A path's fields as of one version; `number` 0 and no fields where there never was one.

    A version that was deleted has no fields and its number: the next write goes on from it.
    """

    number: int = 0
    fields: Mapping[str, Any] = field(default_factory=dict, repr=False)  # as they are, to be written back
    created: str = ""

    def secret(self, name: str) -> Secret | None:
        """A field as guests get it: text as it is, anything else as Vault shows it; None where there is none."""
        value = self.fields.get(name)
        if value is None:
            return None
        return Secret(value if isinstance(value, str) else json.dumps(value))


class Kv:
    """Reads and writes paths like `secret/default/shop`, the mount first."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def read(self, path: str, version: int = 0) -> Version:
        """The newest version of a path, or an older one; raises SecretError."""
        wanted = f"?version={version}" if version else ""
        mount, rest = mount_and_path(path)
        answer = self._vault.call("GET", f"{mount}/data/{rest}{wanted}", act=f"read {path}")
        if answer is None:
            return Version()
        try:
            data, metadata = answer["data"]["data"], answer["data"]["metadata"]
            return Version(int(metadata["version"]), dict(data or {}), str(metadata.get("created_time", "")))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SecretError(
                f"{mount} in Vault at {self._vault.address} is no KV engine of version 2",
                f"make one: vault secrets enable -path={mount} -version=2 kv",
            ) from error

    def write(self, path: str, fields: Mapping[str, Any], after: int) -> int | None:
        """Write all fields of a path and give the new version; None where `after` is not the newest one."""
        mount, rest = mount_and_path(path)
        body = {"options": {"cas": after}, "data": dict(fields)}
        try:
            answer = self._vault.call("POST", f"{mount}/data/{rest}", body, act=f"write {path}")
        except SecretError as error:
            if "check-and-set parameter did not match" in error.message:
                return None
            raise
        if answer is None or not isinstance(answer.get("data"), dict):
            raise SecretError(
                f"{mount} in Vault at {self._vault.address} is no KV engine of version 2",
                f"make one: vault secrets enable -path={mount} -version=2 kv",
            )
        return int(answer["data"]["version"])


class StoredSecrets:
    """Secrets as an executor would read them (`SecretSource`), with the operator's token; each path is read once."""

    def __init__(self, vault: Vault) -> None:
        self._kv = Kv(vault)
        self._read: dict[str, Version] = {}

    def read(self, path: str, field: str) -> Secret | None:
        """The field at `<mount>/<path>`, None where there is none; raises SecretError."""
        if is_dynamic(path):
            raise SecretError(
                f"{path}#{field} is made by Vault when a task reads it, and ended with the task",
                "here, give a value: --variable NAME=@FILE",
            )
        if path not in self._read:
            self._read[path] = self._kv.read(path)
        return self._read[path].secret(field)

    def has(self, path: str) -> bool:
        """Whether anything is at a path that was read."""
        return bool(self._read[path].fields)

    @property
    def versions(self) -> dict[str, int]:
        """The version of each path that was read and has fields."""
        return {path: version.number for path, version in self._read.items() if version.fields}
