"""A real Vault alone, for tests that seal it, take rights away or speak TLS: it starts in a second."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.world import eventually
from tests.stack import build
from wasmdeploy_cli.nomad import Settings
from wasmdeploy_cli.nomad.tls import Tls
from wasmdeploy_cli.stack.ports import free_now
from wasmdeploy_driver.secrets import Secret


@dataclass(frozen=True)
class VaultServer:
    """Where it answers, and what opens it."""

    address: str
    root: str
    unseal_key: str
    tls: Tls

    def settings(self, token: str | None = None, **more: Any) -> Settings:
        """Settings that name this Vault, with a token."""
        own = {
            "vault": self.address,
            "vault_tls": self.tls,
            "vault_token": Secret(self.root if token is None else token),
        }
        return Settings(nomad="http://127.0.0.1:1", **{**own, **more})

    def env(self, token: str | None = None) -> dict[str, str]:
        """The same as variables."""
        return {"VAULT_ADDR": self.address, "VAULT_TOKEN": self.root if token is None else token}

    def api(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """One call as root."""
        answer = ask(self.address, self.tls, method, path, body, self.root)
        answer.raise_for_status()
        return answer.json() if answer.content else {}

    def token(self, *rules: tuple[str, str], **options: Any) -> str:
        """A new token that may do what the rules, path and capability, say."""
        if not rules:
            rules = (("secret/data/nothing", '"deny"'),)
        text = "\n".join(f'path "{path}" {{ capabilities = [{each}] }}' for path, each in rules)
        self.api("PUT", "sys/policies/acl/of-a-test", {"policy": text})
        return str(
            self.api("POST", "auth/token/create", {"policies": ["of-a-test"], **options})["auth"][
                "client_token"
            ]
        )

    def unseal(self) -> None:
        """Open it, and wait until it works."""
        self.api("PUT", "sys/unseal", {"key": self.unseal_key})
        eventually(
            "it is active", lambda: ask(self.address, self.tls, "GET", "sys/health").status_code == 200
        )


def ask(
    address: str, tls: Tls, method: str, path: str, body: Mapping[str, Any] | None = None, token: str = ""
) -> httpx.Response:
    """One call."""
    context = tls.context() if address.startswith("https") else True
    with httpx.Client(
        verify=context, timeout=30, headers={"X-Vault-Token": token} if token else None
    ) as client:
        return client.request(method, f"{address}/v1/{path}", json=body, extensions=tls.extensions)


@contextmanager
def running_vault(directory: Path, *, tls: bool = False) -> Iterator[VaultServer]:
    """A Vault in memory with KV version 2 at `secret/`; with `tls`, one that wants certificates on both sides."""
    programs = build.ensure()
    is_free = free_now()
    port, cluster = [number for number in range(23000, 23200) if is_free(number)][:2]
    scheme, listener, ours = "http", "tls_disable = true", Tls()
    if tls:
        scheme, listener, ours = "https", *_certificates(directory)
    config = directory / "vault.hcl"
    config.write_text(
        f'storage "inmem" {{}}\ndisable_mlock = true\napi_addr = "{scheme}://127.0.0.1:{port}"\n'
        f'listener "tcp" {{\n  address = "127.0.0.1:{port}"\n'
        f'  cluster_address = "127.0.0.1:{cluster}"\n  {listener}\n}}\n'
    )
    log = (directory / "vault.log").open("wb")
    with (
        log,
        subprocess.Popen(
            [programs / "vault", "server", "-config", config],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        ) as process,
    ):
        try:
            yield _opened(f"{scheme}://127.0.0.1:{port}", ours)
        finally:
            process.terminate()


def _opened(address: str, tls: Tls) -> VaultServer:
    eventually("Vault answers", lambda: _answers(address, tls))
    keys = ask(address, tls, "PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1}).json()
    server = VaultServer(address, keys["root_token"], keys["keys_base64"][0], tls)
    server.unseal()
    server.api("POST", "sys/mounts/secret", {"type": "kv", "options": {"version": "2"}})
    eventually("KV is ready", lambda: _ready(server))
    return server


def _answers(address: str, tls: Tls) -> bool:
    try:
        return ask(address, tls, "GET", "sys/seal-status").status_code == 200
    except httpx.HTTPError:
        return False


def _ready(server: VaultServer) -> bool:
    try:
        server.api("GET", "secret/config")
    except httpx.HTTPStatusError:
        return False
    return True


def _certificates(directory: Path) -> tuple[str, Tls]:
    """A CA with a server's and a client's certificate, the server's for a name that is not its address."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)

    new = (
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    )
    usage = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
    openssl(*new, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test", *usage)
    for name, use in (("server", "serverAuth"), ("client", "clientAuth")):
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-addext", "basicConstraints=critical,CA:false")
        named = ("-addext", "subjectAltName=DNS:vault.test", "-addext", f"extendedKeyUsage={use}")
        openssl(
            *new, *signed, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}", *named
        )
    listener = "\n  ".join(
        f"{key} = {value}"
        for key, value in {
            "tls_cert_file": f'"{directory}/server.pem"',
            "tls_key_file": f'"{directory}/server.key"',
            "tls_client_ca_file": f'"{directory}/ca.pem"',
            "tls_require_and_verify_client_cert": "true",
        }.items()
    )
    pair = (str(directory / "client.pem"), str(directory / "client.key"))
    return listener, Tls(str(directory / "ca.pem"), pair, "vault.test")
