"""Where a node's executor reads its task's secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from wasmdeploy_driver.errors import SecretError
from wasmdeploy_driver.executor.launch import Launch
from wasmdeploy_driver.secrets import Reading, Secret, VaultSecrets, session

if TYPE_CHECKING:
    from wasmdeploy_driver.secrets.tls import Session


def vault_session(launch: Launch) -> Session | None:
    """What Vault is asked through, with all files read that TLS needs; raises ConfigError. None without secrets."""
    if launch.vault is None or not launch.task.secrets:
        return None
    vault = launch.vault
    return session(vault.ca_cert, vault.client_cert, vault.client_key, vault.tls_server_name)


def vault_secrets(
    launch: Launch, through: Session | None, token: Secret, known: Mapping[str, Reading]
) -> VaultSecrets:
    """The task's secrets in Vault, with its token; raises SecretError where either is missing."""
    if launch.vault is None:
        raise SecretError(
            "the task has secrets, but the driver has no Vault address",
            "set vault { address } in the plugin's config",
        )
    if not token.reveal():
        raise SecretError("the task has secrets, but no Vault token", "add a vault block to the job")
    vault = launch.vault
    return VaultSecrets(vault.address, token, namespace=vault.namespace, session=through, known=known)


def kv_mount(launch: Launch) -> str:
    """The mount of secrets that name no path."""
    return launch.vault.mount if launch.vault is not None else "secret"
