"""Secrets: a value that cannot be printed, and where it comes from (the only home of hvac)."""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from wasmdeploy_driver.errors import SecretError, SecretUnavailable

if TYPE_CHECKING:
    import hvac


class Secret:
    """A value that shows as [redacted] everywhere; `reveal()` hands it to the guest."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself."""
        return self._value

    def __repr__(self) -> str:
        return "[redacted]"

    def __format__(self, spec: str) -> str:
        return "[redacted]"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value.encode(), other._value.encode())

    __hash__ = None  # type: ignore[assignment]  # a hash would let a value be guessed through a set

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled")


class SecretSource(Protocol):
    """Where secret variables come from."""

    def read(self, path: str, field: str) -> Secret | None:
        """The field at `path` (mount first), None where there is none; raises SecretError when it cannot
        tell.
        """
        ...


class GivenSecrets:
    """Secrets given by the caller, by field name: what `wasmdeploy up --variable` uses."""

    def __init__(self, values: Mapping[str, Secret]) -> None:
        self._values = values

    def read(self, path: str, field: str) -> Secret | None:
        """The value given for `field`, whatever its path."""
        return self._values.get(field)


class VaultSecrets:
    """Secrets from Vault's KV version 2; each path is read once.

    The token is the task's own, from Nomad's workload identity; time-outs are in seconds.
    """

    def __init__(
        self, address: str, token: Secret, *, namespace: str = "", ca_cert: str = "", timeout: int = 10
    ) -> None:
        self._address = address
        self._token = token
        self._namespace = namespace
        self._verify: str | bool = ca_cert or True
        self._timeout = timeout
        self._read: dict[str, Mapping[str, Any] | None] = {}
        self.versions: dict[str, int] = {}  # of each path that was read and found
        self._connected: hvac.Client | None = None

    def read(self, path: str, field: str) -> Secret | None:
        """The field at `<mount>/<path>`; raises SecretError (refused) or SecretUnavailable (away, sealed)."""
        if path not in self._read:
            self._read[path] = self._fetch(path)
        values = self._read[path]
        if values is None or values.get(field) is None:
            return None
        value = values[field]
        if not isinstance(value, (str, int, float, bool)):
            raise SecretError(f"{path}#{field}: a secret is one text value, not {type(value).__name__}")
        return Secret(value if isinstance(value, str) else json.dumps(value))  # `true`, as Vault shows it

    def _client(self) -> hvac.Client:
        import hvac

        if self._connected is None:
            self._connected = hvac.Client(
                url=self._address,
                token=self._token.reveal(),
                namespace=self._namespace or None,
                verify=self._verify,
                timeout=self._timeout,
            )
        return self._connected

    def _fetch(self, path: str) -> Mapping[str, Any] | None:
        import hvac.exceptions

        mount, rest = _mount_and_path(path)
        try:
            with self._translated(f"read {path}"):
                answer = self._client().secrets.kv.v2.read_secret_version(
                    path=rest, mount_point=mount, raise_on_deleted_version=True
                )
        except SecretError as error:
            if isinstance(error.__cause__, hvac.exceptions.InvalidPath):
                return None
            raise
        try:
            data, self.versions[path] = answer["data"]["data"], int(answer["data"]["metadata"]["version"])
        except (KeyError, TypeError) as error:
            raise SecretError(
                f"{self._address} does not answer like Vault", "check Vault's address"
            ) from error
        return data if isinstance(data, dict) else None

    @contextmanager
    def _translated(self, act: str) -> Iterator[None]:
        import hvac.exceptions
        import requests

        try:
            yield
        except hvac.exceptions.Forbidden as error:
            raise SecretError(
                f"Vault at {self._address} refuses to {act}",
                "the token's policy does not allow this path; see deploy.vault in the manifest",
            ) from error
        except (
            hvac.exceptions.VaultDown,
            hvac.exceptions.BadGateway,
            hvac.exceptions.InternalServerError,
        ) as error:
            raise SecretUnavailable(f"Vault at {self._address} is sealed or not ready") from error
        except hvac.exceptions.VaultError as error:
            raise SecretError(f"Vault at {self._address} cannot {act}: {type(error).__name__}") from error
        except requests.RequestException as error:
            raise SecretUnavailable(f"Vault at {self._address} cannot be reached") from error


def _mount_and_path(path: str) -> tuple[str, str]:
    mount, _, rest = path.strip("/").partition("/")
    if not rest:
        raise SecretError(
            f"Vault path {path!r} needs a mount and a path", "write it as MOUNT/PATH, like secret/app"
        )
    return mount, rest
