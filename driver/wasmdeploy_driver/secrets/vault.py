"""Secrets in Vault: what KV version 2 stores, and what other engines make when it is read, with a lease.

403, the token unknown or past its time   the token
403, else                                 its policy
404                                       nothing is there, or nothing is mounted there
400                                       the engine's own word: no such role
5xx, 429, no answer                       Vault is sealed or away: SecretUnavailable, trying again may help
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from wasmdeploy_driver.errors import SecretError, SecretUnavailable
from wasmdeploy_driver.secrets import tls
from wasmdeploy_driver.secrets.secret import Secret

if TYPE_CHECKING:
    import hvac
    import requests

_DYNAMIC = ("creds", "static-creds")
_TLS_HINTS = {
    tls.WANTS_ONE: "set vault { client_cert, client_key } in the plugin's config",
    tls.NO_TLS: "use http:// in Vault's address",
    tls.OTHER_NAME: "set vault { tls_server_name } in the plugin's config",
    tls.UNTRUSTED: "set vault { ca_cert } in the plugin's config",
}
# Of Vault's own words in an error.
_MOST_WORDS = 200


def is_dynamic(path: str) -> bool:
    """Whether an engine makes the values of a path when it is read, like `database/creds/app`: nothing is stored."""
    return any(part in _DYNAMIC for part in path.strip("/").split("/")[1:2])


@dataclass(frozen=True, slots=True)
class Lease:
    """Vault's word that a dynamic secret holds for so many seconds, and whether it can give it again."""

    id: str
    seconds: float
    renewable: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """What one path gave: its fields, None where nothing is there; the version that KV stored, and the lease."""

    fields: Mapping[str, Any] | None = field(repr=False)
    version: int = 0
    lease: Lease | None = None


class VaultSecrets:
    """Secrets from Vault; each path is read once, so that all fields of it belong together.

    The token is the task's own, from Nomad's workload identity; time-outs are in seconds. `known` are paths that need
    not be read again; `session` is from `tls`.
    """

    def __init__(
        self,
        address: str,
        token: Secret,
        *,
        namespace: str = "",
        session: requests.Session | None = None,
        timeout: int = 10,
        known: Mapping[str, Reading] | None = None,
    ) -> None:
        self._address = address
        self._token = token
        self._namespace = namespace
        self._session = session
        self._timeout = timeout
        self._connected: hvac.Client | None = None
        self.readings: dict[str, Reading] = dict(known or {})

    def read(self, path: str, field: str) -> Secret | None:
        """The field at `<mount>/<path>`; raises SecretError (refused) or SecretUnavailable (away, sealed)."""
        if path not in self.readings:
            self.readings[path] = self._fetch(path)
        values = self.readings[path].fields
        if values is None or values.get(field) is None:
            return None
        value = values[field]
        if not isinstance(value, (str, int, float, bool)):
            raise SecretError(f"{path}#{field}: a secret is one text value, not {type(value).__name__}")
        return Secret(value if isinstance(value, str) else json.dumps(value))  # `true`, as Vault shows it

    def has(self, path: str) -> bool:
        """Whether anything was at the path, which has been read."""
        return self.readings[path].fields is not None

    def renew(self, lease: Lease) -> Lease | None:
        """The lease for as long as it was given for at first, or for less near its end; None where it is over."""
        answer = self._lease_call("renew", lease, increment=int(lease.seconds))
        return None if answer is None else _lease(answer)

    def look_up(self, lease: Lease) -> Lease | None:
        """The lease, None where Vault knows it no more; one that the policy hides from us is taken to be there."""
        try:
            return None if self._lease_call("lookup", lease) is None else lease
        except SecretError as error:
            if _is_by_policy(error.__cause__):
                return lease
            raise

    def revoke(self, lease: Lease) -> None:
        """End the lease now; raises SecretError where the policy does not allow it."""
        self._lease_call("revoke", lease)

    def _lease_call(self, act: str, lease: Lease, **more: int) -> Mapping[str, Any] | None:
        """None where Vault knows no such lease."""
        import hvac.exceptions

        path, body = f"sys/leases/{act}", {"lease_id": lease.id, **more}
        try:
            return self._call("PUT", path, f"{act} the lease of {lease.id.rpartition('/')[0]} ({path})", body)
        except SecretError as error:
            if isinstance(error.__cause__, hvac.exceptions.InvalidRequest):
                return None
            raise

    def _fetch(self, path: str) -> Reading:
        mount, rest = mount_and_path(path)
        if is_dynamic(path):
            answer = self._call("GET", f"{mount}/{rest}", f"read {path}")
            if answer is None or not isinstance(answer.get("data"), dict):
                return Reading(None)
            return Reading(answer["data"], lease=_lease(answer))
        answer = self._call("GET", f"{mount}/data/{rest}", f"read {path}")
        if answer is None:
            return Reading(None)
        try:
            data, version = answer["data"]["data"], int(answer["data"]["metadata"]["version"])
        except (KeyError, TypeError, ValueError) as error:
            raise self._no_vault() from error
        return Reading(data if isinstance(data, dict) else None, version)

    def _call(
        self, method: str, path: str, act: str, body: Mapping[str, Any] | None = None
    ) -> Mapping[str, Any] | None:
        """Vault's answer, None where nothing is at the path."""
        import hvac.exceptions

        try:
            with self._translated(act):
                answer = self._client().adapter.request(method, f"/v1/{quote(path)}", json=body)
        except SecretError as error:
            if not isinstance(error.__cause__, hvac.exceptions.InvalidPath):
                raise
            if "no handler for route" in _words(error.__cause__):
                raise SecretError(
                    f"Vault at {self._address} has nothing mounted for {path}", "see: vault secrets list"
                ) from error
            return None
        if isinstance(answer, Mapping):
            return answer
        if getattr(answer, "status_code", 0) == 204:
            return {}
        raise self._no_vault()

    def _client(self) -> hvac.Client:
        import hvac

        if self._connected is None:
            self._connected = hvac.Client(
                url=self._address,
                token=self._token.reveal(),
                namespace=self._namespace or None,
                timeout=self._timeout,
                session=self._session,
            )
        return self._connected

    @contextmanager
    def _translated(self, act: str) -> Iterator[None]:
        import hvac.exceptions
        import requests

        try:
            yield
        except hvac.exceptions.Forbidden as error:
            if not _is_by_policy(error):
                raise SecretError(
                    f"Vault at {self._address} does not know the task's token: it has expired or was revoked",
                    "Nomad brings a new one; see its agent's log, and auth/… of the role in Vault",
                ) from error
            raise SecretError(
                f"Vault at {self._address} refuses to {act}",
                "the token's policy does not allow this path; see deploy.vault in the manifest",
            ) from error
        except (
            hvac.exceptions.VaultDown,
            hvac.exceptions.BadGateway,
            hvac.exceptions.InternalServerError,
            hvac.exceptions.RateLimitExceeded,
        ) as error:
            raise SecretUnavailable(f"Vault at {self._address} is sealed or not ready") from error
        except hvac.exceptions.VaultError as error:
            words = _words(error)[:_MOST_WORDS] or type(error).__name__
            raise SecretError(f"Vault at {self._address} cannot {act}: {words}") from error
        except requests.exceptions.SSLError as error:
            wrong = tls.reason(str(error))
            raise SecretUnavailable(f"Vault at {self._address}: {wrong}", _TLS_HINTS[wrong]) from error
        except requests.RequestException as error:
            raise SecretUnavailable(f"Vault at {self._address} cannot be reached") from error

    def _no_vault(self) -> SecretError:
        return SecretError(f"{self._address} does not answer like Vault", "check Vault's address")


def _lease(answer: Mapping[str, Any]) -> Lease | None:
    """The lease in an answer, None where it has none."""
    name = str(answer.get("lease_id") or "")
    if not name:
        return None
    return Lease(name, float(answer.get("lease_duration") or 0), bool(answer.get("renewable")))


def _is_by_policy(error: BaseException | None) -> bool:
    """Whether it is the token's policy that refuses, and not the token that is unknown."""
    import hvac.exceptions

    return isinstance(error, hvac.exceptions.Forbidden) and "invalid token" not in _words(error)


def _words(error: Any) -> str:
    """What Vault said, in one line."""
    return " ".join(" ".join(map(str, error.errors or ())).split())


def mount_and_path(path: str) -> tuple[str, str]:
    """A path's mount and what is below it; raises SecretError where nothing is."""
    mount, _, rest = path.strip("/").partition("/")
    if not rest:
        raise SecretError(
            f"Vault path {path!r} needs a mount and a path", "write it as MOUNT/PATH, like secret/app"
        )
    return mount, rest
