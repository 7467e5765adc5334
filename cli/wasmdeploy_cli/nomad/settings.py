"""Where the cluster is: the environment variables that HashiCorp's own tools read, else the local stack."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from wasmdeploy_cli.errors import ConfigError
from wasmdeploy_cli.nomad.tls import Tls, read_tls
from wasmdeploy_driver.secrets import Secret

_NOMAD_DEFAULT = "http://127.0.0.1:4646"


@dataclass(frozen=True, slots=True)
class Settings:
    """Addresses and tokens; an empty address means that the service is not known here."""

    nomad: str
    nomad_token: Secret = field(default_factory=lambda: Secret(""))
    nomad_tls: Tls = field(default_factory=Tls)
    nomad_auth: Secret = field(default_factory=lambda: Secret(""))  # user:password of a proxy before it
    nomad_namespace: str = ""  # for commands that name no manifest
    nomad_region: str = ""
    consul: str = ""
    consul_token: Secret = field(default_factory=lambda: Secret(""))
    consul_tls: Tls = field(default_factory=Tls)
    consul_auth: Secret = field(default_factory=lambda: Secret(""))
    consul_namespace: str = ""
    vault: str = ""
    vault_token: Secret = field(default_factory=lambda: Secret(""))
    vault_namespace: str = ""
    vault_tls: Tls = field(default_factory=Tls)
    traefik: str = ""
    traefik_api: str = ""  # the entry point of its API, often another one
    traefik_config: str = ""  # its static configuration, known for the local stack only
    components: Path | None = None
    local: bool = False
    stack: tuple[str, ...] = ()  # the addresses of the local stack's programs, whoever named them

    def mending(self, address: str) -> str:
        """What to do about an address that does not answer, empty for one that is not the local stack's."""
        return "start what has crashed: wasmdeploy stack up" if address in self.stack else ""

    @property
    def nomad_hint(self) -> str:
        """What to do about a Nomad that does not answer."""
        if self.local:
            return "look at: wasmdeploy stack status"
        if self.nomad != _NOMAD_DEFAULT:
            return "check NOMAD_ADDR, and that it runs"
        return "start a local one with: wasmdeploy stack up; or set NOMAD_ADDR"

    @property
    def nomad_headers(self) -> dict[str, str]:
        """What every request to Nomad carries."""
        return _headers(self.nomad_auth, {"X-Nomad-Token": self.nomad_token.reveal()})

    @property
    def consul_headers(self) -> dict[str, str]:
        """What every request to Consul carries."""
        named = {"X-Consul-Token": self.consul_token.reveal(), "X-Consul-Namespace": self.consul_namespace}
        return _headers(self.consul_auth, named)


def _headers(auth: Secret, named: Mapping[str, str]) -> dict[str, str]:
    basic = base64.b64encode(auth.reveal().encode()).decode()
    return {name: value for name, value in named.items() if value} | (
        {"Authorization": f"Basic {basic}"} if basic else {}
    )


def settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """The cluster that NOMAD_ADDR names, else the running local stack, else Nomad on its standard port.

    NOMAD_ADDR may name the stack itself, as `stack up` prints it; then the environment's other variables go
    before the stack's own.
    """
    from wasmdeploy_cli.stack.state import current

    named = environment.get("NOMAD_ADDR", "").rstrip("/")
    stack = current()
    if stack is None or named not in ("", stack.nomad_addr):
        return from_environment(environment if named else {**environment, "NOMAD_ADDR": _NOMAD_DEFAULT})
    local = Settings(
        nomad=stack.nomad_addr,
        consul=stack.consul_addr,
        vault=stack.vault_addr,
        vault_token=stack.vault_token,
        traefik=stack.traefik_addr,
        traefik_api=stack.traefik_admin_addr,
        traefik_config=stack.traefik_config,
        components=stack.components_dir,
        local=True,
        stack=(stack.nomad_addr, stack.consul_addr, stack.vault_addr, stack.traefik_addr),
    )
    return _over(local, environment) if named else local


def vault_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """The Vault that VAULT_ADDR names, else that of the cluster: for what runs here and on no cluster."""
    if environment.get("VAULT_ADDR"):
        return from_environment(
            {**environment, "NOMAD_ADDR": environment.get("NOMAD_ADDR") or _NOMAD_DEFAULT}
        )
    return settings(environment)


def _over(local: Settings, environment: Mapping[str, str]) -> Settings:
    given = from_environment(environment)
    return replace(
        given,
        consul=given.consul or local.consul,
        vault=given.vault or local.vault,
        vault_token=local.vault_token
        if given.vault in ("", local.vault) and not environment.get("VAULT_TOKEN")
        else given.vault_token,
        traefik=given.traefik or local.traefik,
        traefik_api=given.traefik_api or local.traefik_api,
        traefik_config=local.traefik_config if given.traefik in ("", local.traefik) else "",
        components=given.components or local.components,
        local=True,
        stack=local.stack,
    )


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Read NOMAD_*, CONSUL_* and VAULT_*; raises ConfigError for what contradicts itself or cannot be read."""
    components = environment.get("WASMDEPLOY_COMPONENT_DIR", "")
    return Settings(
        nomad=_url(environment, "NOMAD_ADDR"),
        nomad_token=Secret(environment.get("NOMAD_TOKEN", "")),
        nomad_tls=read_tls(environment, "NOMAD", _said(environment, "NOMAD_SKIP_VERIFY", "1", "t", "true")),
        nomad_auth=Secret(environment.get("NOMAD_HTTP_AUTH", "")),
        nomad_namespace=environment.get("NOMAD_NAMESPACE", "").replace("*", ""),
        nomad_region=environment.get("NOMAD_REGION", ""),
        consul=_consul_address(environment),
        consul_token=Secret(_consul_token(environment)),
        consul_tls=read_tls(
            environment, "CONSUL", _said(environment, "CONSUL_HTTP_SSL_VERIFY", "0", "f", "false")
        ),
        consul_auth=Secret(environment.get("CONSUL_HTTP_AUTH", "")),
        consul_namespace=environment.get("CONSUL_NAMESPACE", ""),
        vault=_url(environment, "VAULT_ADDR"),
        vault_token=Secret(environment.get("VAULT_TOKEN") or _token_file()),
        vault_namespace=environment.get("VAULT_NAMESPACE", ""),
        vault_tls=read_tls(environment, "VAULT", _said(environment, "VAULT_SKIP_VERIFY", "1", "t", "true")),
        traefik=_url(environment, "TRAEFIK_ADDR"),
        traefik_api=_url(environment, "TRAEFIK_API_ADDR"),
        components=Path(components) if components else None,
    )


def _said(environment: Mapping[str, str], name: str, *words: str) -> bool:
    return environment.get(name, "").lower() in words


def _url(environment: Mapping[str, str], name: str, scheme: str = "") -> str:
    given = environment.get(name, "")
    address = f"{scheme}://{given}" if given and scheme and "://" not in given else given
    if address and not is_address(address):
        raise ConfigError(
            f"{name}={given}: no http:// or https:// address", f"set it like {name}=http://HOST:PORT"
        )
    return address.rstrip("/")


def is_address(text: str) -> bool:
    """Whether it is the http:// or https:// address of a server."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    known = parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0
    return known and not (parts.query or parts.fragment) and re.search(r"[^!-~]", text) is None


def _consul_address(environment: Mapping[str, str]) -> str:
    secure = _said(environment, "CONSUL_HTTP_SSL", "1", "t", "true")
    return _url(environment, "CONSUL_HTTP_ADDR", "https" if secure else "http")


def _consul_token(environment: Mapping[str, str]) -> str:
    if (token := environment.get("CONSUL_HTTP_TOKEN", "")) or not (
        file := environment.get("CONSUL_HTTP_TOKEN_FILE")
    ):
        return token
    try:
        return Path(file).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigError(
            f"CONSUL_HTTP_TOKEN_FILE={file}: {reason}", "name the file that has the token, or unset it"
        ) from error


def _token_file() -> str:
    try:
        return (Path.home() / ".vault-token").read_text().strip()
    except (OSError, RuntimeError, UnicodeDecodeError):
        return ""
