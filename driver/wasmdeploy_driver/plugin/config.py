"""What an operator sets in the agent's `plugin "nomad-driver-wasm" { config { … } }`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from wasmdeploy_driver.errors import ConfigError
from wasmdeploy_driver.executor.launch import VaultServer


@dataclass(frozen=True, slots=True)
class Vault:
    """Where executors read secrets; what is not set comes from the agent's own environment."""

    address: str = field(default="", metadata={"doc": "Vault's URL; VAULT_ADDR of the agent if unset"})
    namespace: str = field(default="", metadata={"doc": "Vault namespace; VAULT_NAMESPACE if unset"})
    ca_cert: str = field(default="", metadata={"doc": "file with Vault's CA; VAULT_CACERT if unset"})
    mount: str = field(default="secret", metadata={"doc": "mount of the KV version 2 engine"})


@dataclass(frozen=True, slots=True)
class PluginConfig:
    """The plugin's configuration."""

    data_dir: str = field(
        default="/var/lib/nomad-driver-wasm",
        metadata={"doc": "compiled guests and the state of running tasks"},
    )
    allow_paths: tuple[str, ...] = field(
        default=(), metadata={"doc": "directories outside of the task from which guests may be loaded"}
    )
    vault: Vault = field(default_factory=Vault, metadata={"doc": "where secrets are read"})

    def check(self) -> None:
        """Raise ConfigError for a path that would depend on where the agent was started."""
        for path in (self.data_dir, *self.allow_paths):
            if not Path(path).is_absolute() or ".." in Path(path).parts:
                raise ConfigError(f"plugin config: {path!r} is not an absolute path without ..")

    def vault_server(self, environment: Mapping[str, str]) -> VaultServer | None:
        """The Vault to use, filled up from the agent's environment; None where no address is known."""
        address = self.vault.address or environment.get("VAULT_ADDR", "")
        if not address:
            return None
        return VaultServer(
            address=address,
            namespace=self.vault.namespace or environment.get("VAULT_NAMESPACE", ""),
            ca_cert=self.vault.ca_cert or environment.get("VAULT_CACERT", ""),
            mount=self.vault.mount,
        )
