"""Where the cluster is: the environment variables that HashiCorp's own tools read, else the local stack."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from wasmdeploy_cli.errors import ConfigError
from wasmdeploy_driver.secrets import Secret

_NOMAD_DEFAULT = "http://127.0.0.1:4646"


@dataclass(frozen=True, slots=True)
class Tls:
    """Certificates of one service: `verify` is a CA file, True for the system's, False for none."""

    verify: str | bool = True
    cert: tuple[str, str] | None = None

    def context(self) -> ssl.SSLContext:
        """The same as TLS takes it; raises ConfigError where a file cannot be read or is no certificate."""
        try:
            context = ssl.create_default_context(cafile=self.verify if isinstance(self.verify, str) else None)
        except OSError as error:  # ssl.SSLError is one, too
            raise ConfigError(
                f"the CA certificate {self.verify} cannot be used: {error.strerror or error}"
            ) from error
        if self.cert is not None:
            try:
                context.load_cert_chain(*self.cert)
            except OSError as error:
                raise ConfigError(
                    f"the client certificate {self.cert[0]} cannot be used: {error.strerror or error}"
                ) from error
        if self.verify is False:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


@dataclass(frozen=True, slots=True)
class Settings:
    """Addresses and tokens; an empty address means that the service is not known here."""

    nomad: str
    nomad_token: Secret = field(default_factory=lambda: Secret(""))
    nomad_tls: Tls = field(default_factory=Tls)
    consul: str = ""
    consul_token: Secret = field(default_factory=lambda: Secret(""))
    consul_tls: Tls = field(default_factory=Tls)
    vault: str = ""
    vault_token: Secret = field(default_factory=lambda: Secret(""))
    vault_namespace: str = ""
    vault_tls: Tls = field(default_factory=Tls)
    traefik: str = ""
    components: Path | None = None
    local: bool = False


def settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """The cluster that NOMAD_ADDR names, else the running local stack, else Nomad on its standard port.

    NOMAD_ADDR may name the stack itself, as `stack up` prints it; then the environment's other variables go
    before the stack's own.
    """
    from wasmdeploy_cli.stack.state import current

    named = environment.get("NOMAD_ADDR", "").rstrip("/")
    stack = current()
    if stack is None or named not in ("", stack.nomad_addr):
        return from_environment({"NOMAD_ADDR": _NOMAD_DEFAULT, **environment} if not named else environment)
    local = Settings(
        nomad=stack.nomad_addr,
        consul=stack.consul_addr,
        vault=stack.vault_addr,
        vault_token=stack.vault_token,
        traefik=stack.traefik_addr,
        components=stack.components_dir,
        local=True,
    )
    return _over(local, environment) if named else local


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
        components=given.components or local.components,
        local=True,
    )


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Read NOMAD_*, CONSUL_* and VAULT_*; raises ConfigError for a half-given client certificate."""
    components = environment.get("WASMDEPLOY_COMPONENT_DIR", "")
    return Settings(
        nomad=environment["NOMAD_ADDR"].rstrip("/"),
        nomad_token=Secret(environment.get("NOMAD_TOKEN", "")),
        nomad_tls=_tls(environment, "NOMAD", "NOMAD_SKIP_VERIFY"),
        consul=_consul_address(environment),
        consul_token=Secret(environment.get("CONSUL_HTTP_TOKEN", "")),
        consul_tls=_tls(environment, "CONSUL", ""),
        vault=environment.get("VAULT_ADDR", "").rstrip("/"),
        vault_token=Secret(environment.get("VAULT_TOKEN") or _token_file()),
        vault_namespace=environment.get("VAULT_NAMESPACE", ""),
        vault_tls=_tls(environment, "VAULT", "VAULT_SKIP_VERIFY"),
        traefik=environment.get("TRAEFIK_ADDR", "").rstrip("/"),
        components=Path(components) if components else None,
    )


def _consul_address(environment: Mapping[str, str]) -> str:
    address = environment.get("CONSUL_HTTP_ADDR", "").rstrip("/")
    if address and "://" not in address:
        secure = environment.get("CONSUL_HTTP_SSL", "").lower() in ("1", "true")
        return f"{'https' if secure else 'http'}://{address}"
    return address


def _token_file() -> str:
    try:
        return (Path.home() / ".vault-token").read_text().strip()
    except (OSError, RuntimeError):
        return ""


def _tls(environment: Mapping[str, str], service: str, skip: str) -> Tls:
    certificate, key = (
        environment.get(f"{service}_CLIENT_CERT", ""),
        environment.get(f"{service}_CLIENT_KEY", ""),
    )
    if bool(certificate) != bool(key):
        raise ConfigError(f"{service}_CLIENT_CERT and {service}_CLIENT_KEY belong together, only one is set")
    verify: str | bool = environment.get(f"{service}_CACERT") or True
    if skip and environment.get(skip, "").lower() in ("1", "true"):
        verify = False
    return Tls(verify, (certificate, key) if certificate else None)
