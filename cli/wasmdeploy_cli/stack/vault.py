"""Vault's HTTP API, as much as making a stack's own Vault needs."""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from typing import Any

import httpx  # noqa: TID251  this module is the stack's one client of Vault

from wasmdeploy_cli.errors import StackError
from wasmdeploy_cli.stack.config import JWT_AUDIENCE, JWT_PATH, JWT_ROLE
from wasmdeploy_cli.stack.keys import Keys
from wasmdeploy_driver.secrets import Secret

LOOK = "see: wasmdeploy stack status, and the logs that it names"
_POLICY = "nomad-workloads"


class Vault:
    """One Vault server; closes its connections with `with`."""

    def __init__(self, address: str, token: Secret | None = None, timeout: float = 10.0) -> None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # plain HTTP on loopback: nothing to load
        headers = {"X-Vault-Token": token.reveal()} if token else {}
        self._client = httpx.Client(
            base_url=f"{address}/v1/", headers=headers, timeout=timeout, trust_env=False, verify=tls
        )

    def __enter__(self) -> Vault:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What Vault answers to one call; StackError for no answer or a refusal."""
        try:
            response = self._client.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise StackError(f"Vault: {method} {path}: {error}", LOOK) from error
        if response.is_error:
            raise StackError(f"Vault: {method} {path}: {response.status_code} {response.text.strip()}", LOOK)
        data = response.json() if response.content else {}
        return data if isinstance(data, dict) else {}

    def health(self) -> Mapping[str, Any] | None:
        """`initialized` and `sealed` as Vault says, None while it does not answer."""
        try:
            data = self._client.get("sys/health").json()
        except (httpx.HTTPError, ValueError):
            return None
        return data if isinstance(data, dict) and "sealed" in data else None

    def initialised(self) -> Keys:
        """Initialise an empty Vault with one key share."""
        answer = self.call("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
        return Keys(Secret(answer["keys_base64"][0]), Secret(answer["root_token"]))

    def unseal(self, keys: Keys) -> None:
        """Unseal it; an unsealed one stays as it is."""
        self.call("PUT", "sys/unseal", {"key": keys.unseal_key.reveal()})

    def set_up(self, jwks_url: str) -> None:
        """KV v2 at `secret/` and Nomad's workload identity, each renewed or left alone where it is there."""
        mounts = self.call("GET", "sys/mounts")["data"]
        if "secret/" not in mounts:
            self.call("POST", "sys/mounts/secret", {"type": "kv", "options": {"version": "2"}})
            self._wait_for_kv()
        if f"{JWT_PATH}/" not in self.call("GET", "sys/auth")["data"]:
            self.call("POST", f"sys/auth/{JWT_PATH}", {"type": "jwt"})
        accessor = self.call("GET", "sys/auth")["data"][f"{JWT_PATH}/"]["accessor"]
        self.call("POST", f"auth/{JWT_PATH}/config", {"jwks_url": jwks_url, "default_role": JWT_ROLE})
        self.call("POST", f"auth/{JWT_PATH}/role/{JWT_ROLE}", ROLE)
        self.call("PUT", f"sys/policies/acl/{_POLICY}", {"policy": policy(accessor)})

    def _wait_for_kv(self) -> None:
        """A new KV v2 mount refuses calls while it prepares itself."""
        deadline = time.monotonic() + 20
        while True:
            try:
                self.call("GET", "secret/config")
                return
            except StackError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)


ROLE: Mapping[str, Any] = {
    "role_type": "jwt",
    "bound_audiences": [JWT_AUDIENCE],
    "user_claim": "/nomad_job_id",
    "user_claim_json_pointer": True,
    "claim_mappings": {
        "nomad_namespace": "nomad_namespace",
        "nomad_job_id": "nomad_job_id",
        "nomad_task": "nomad_task",
    },
    "token_type": "service",
    "token_policies": [_POLICY],
    "token_period": "30m",
}


def policy(accessor: str) -> str:
    """Each job reads its own secrets, in its own namespace: secret/<namespace>/<job> and below."""
    alias = f"identity.entity.aliases.{accessor}.metadata"
    place = f"{{{{{alias}.nomad_namespace}}}}/{{{{{alias}.nomad_job_id}}}}"
    rules = [
        (f"secret/data/{place}", "read"),
        (f"secret/data/{place}/*", "read"),
        (f"secret/metadata/{place}/*", "list"),
    ]
    return "\n".join(f'path "{path}" {{\n  capabilities = ["{right}"]\n}}' for path, right in rules) + "\n"
