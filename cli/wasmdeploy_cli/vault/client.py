"""One call to Vault, its failures translated into one line each.

403, the token unknown or past its time   the token
403, else                                 its policy
503, 501, 502                             sealed, not initialised, no active node
404                                       None: what was asked for is not there
no answer                                 the address, or its certificate
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import hvac
import requests
from hvac import exceptions

from wasmdeploy_cli.errors import SecretError, SecretUnavailable
from wasmdeploy_cli.nomad import Settings
from wasmdeploy_driver.secrets import Secret, tls

Json = dict[str, Any]
_TIMEOUT = 10
_LOG = "correct what Vault names, or see its log: vault monitor"
_TLS_HINTS = {
    tls.WANTS_ONE: "set VAULT_CLIENT_CERT and VAULT_CLIENT_KEY",
    tls.NO_TLS: "use http:// in VAULT_ADDR",
    tls.OTHER_NAME: "set VAULT_TLS_SERVER_NAME",
    tls.UNTRUSTED: "set VAULT_CACERT",
}


class Vault:
    """Calls as the settings' token; every one raises SecretError, or SecretUnavailable where trying again may help."""

    def __init__(self, settings: Settings, timeout: float = _TIMEOUT) -> None:
        if not settings.vault:
            raise SecretError(
                "no Vault is known here", "set VAULT_ADDR and VAULT_TOKEN, or start one: wasmdeploy stack up"
            )
        self.address = settings.vault
        self._timeout = timeout
        self._hint = settings.mending(settings.vault) or "check VAULT_ADDR, and that it runs"
        self._token: Secret = settings.vault_token
        self._client = hvac.Client(
            url=settings.vault,
            token=settings.vault_token.reveal() or None,
            namespace=settings.vault_namespace or None,
            verify=settings.vault_tls.verify,
            cert=settings.vault_tls.cert,
            timeout=timeout,
            session=settings.vault_tls.session(),
        )

    def call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, act: str = ""
    ) -> Json | None:
        """What Vault answers below `/v1/`, None for what is not there; `act` names it in an error, like `read X`."""
        act = act or f"{'read' if method in ('GET', 'LIST') else 'write'} {path}"
        try:
            answer = self._client.adapter.request(
                method, f"/v1/{path}", json=dict(body) if body is not None else None
            )
        except exceptions.InvalidPath as error:
            if isinstance(error.json, dict) and error.json.get("data"):
                return dict(error.json)  # a deleted version's number
            self._require_route(error, path)
            return None
        except exceptions.VaultError as error:
            raise self._translated(error, act) from error
        except requests.RequestException as error:
            raise self._unreachable(error) from error
        if isinstance(answer, requests.Response):  # an empty body, or one that is no JSON
            if answer.status_code != 204 and answer.content:
                raise SecretError(f"{self.address} does not answer like Vault", "check VAULT_ADDR")
            return {}
        return dict(answer)

    def health(self) -> Json:
        """`initialized`, `sealed`, `standby` and `version`, whatever the token."""
        codes = "standbyok=true&perfstandbyok=true&sealedcode=200&uninitcode=200"
        return self.call("GET", f"sys/health?{codes}", act="tell how it is") or {}

    def token(self) -> Json:
        """What the token is: policies, ttl (seconds, 0 for ever), type."""
        return dict((self.call("GET", "auth/token/lookup-self", act="tell what the token is") or {})["data"])

    def capabilities(self, *paths: str) -> dict[str, list[str]]:
        """What the token may do at each path, as `read`, `create`, `root` or `deny`."""
        answer = self.call(
            "POST", "sys/capabilities-self", {"paths": list(paths)}, act="tell what the token may do"
        )
        return {path: list((answer or {}).get(path) or ["deny"]) for path in paths}

    def _require_route(self, error: exceptions.InvalidPath, path: str) -> None:
        # Vault answers 404 for a path below a mount that has nothing there, and for one that has no mount.
        if any("no handler for route" in str(each) for each in error.errors or ()):
            raise SecretError(
                f"Vault at {self.address} has nothing mounted for {path}",
                "see: vault secrets list, vault auth list",
            ) from error

    def _translated(self, error: exceptions.VaultError, act: str) -> SecretError:
        text = " ".join(" ".join(map(str, error.errors or ())).split())
        if "HTTPS server" in str(error.text):
            return SecretError(f"Vault at {self.address} speaks TLS only", "use https:// in VAULT_ADDR")
        match error:
            case exceptions.Forbidden() | exceptions.Unauthorized():
                return self._refused(act, text)
            case exceptions.VaultDown():
                return self._down(text)
            case exceptions.VaultNotInitialized():
                return SecretUnavailable(
                    f"Vault at {self.address} is not initialised", "initialise it: vault operator init"
                )
            case exceptions.InternalServerError() | exceptions.BadGateway() | exceptions.RateLimitExceeded():
                return SecretUnavailable(
                    f"Vault at {self.address} failed to {act}: {text or type(error).__name__}", _LOG
                )
            case _:
                return SecretError(
                    f"Vault at {self.address} cannot {act}: {text or type(error).__name__}", _LOG
                )

    def _down(self, text: str) -> SecretUnavailable:
        if "sealed" in text.lower():
            return SecretUnavailable(
                f"Vault at {self.address} is sealed", "unseal it: vault operator unseal; then try again"
            )
        return SecretUnavailable(
            f"Vault at {self.address} is not ready: {text or 'no active node'}",
            "see: vault status; then try again",
        )

    def _refused(self, act: str, text: str) -> SecretError:
        if not self._token.reveal():
            return SecretError(
                f"Vault at {self.address} wants a token to {act}, and there is none",
                "log in: vault login; or set VAULT_TOKEN",
            )
        if "invalid token" in text or not self._known():
            return SecretError(
                f"Vault at {self.address} does not know the token: it has expired, was revoked, or is another Vault's",
                "log in again: vault login; or set VAULT_TOKEN",
            )
        return SecretError(
            f"Vault at {self.address} refuses to {act}: the token's policies do not allow it",
            "see: vault token lookup, vault policy read NAME",
        )

    def _known(self) -> bool:
        """Whether the token is one; a token that may do nothing at all may still look itself up."""
        try:
            self._client.adapter.request("GET", "/v1/auth/token/lookup-self")
        except exceptions.Forbidden:
            return False
        except (exceptions.VaultError, requests.RequestException):
            return True
        return True

    def _unreachable(self, error: requests.RequestException) -> SecretUnavailable:
        if isinstance(error, requests.exceptions.SSLError):
            wrong = tls.reason(str(error))
            return SecretUnavailable(f"Vault at {self.address}: {wrong}", _TLS_HINTS[wrong])
        if isinstance(error, requests.Timeout):
            return SecretUnavailable(
                f"Vault at {self.address} did not answer within {self._timeout:g} s", self._hint
            )
        return SecretUnavailable(f"Vault at {self.address} cannot be reached", self._hint)
