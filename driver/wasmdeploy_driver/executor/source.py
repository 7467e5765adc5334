"""Where a node's executor reads its task's secrets."""

from __future__ import annotations

from collections.abc import Mapping

from wasmdeploy_driver.errors import SecretError
from wasmdeploy_driver.executor.launch import Launch
from wasmdeploy_driver.secrets import Reading, Secret, VaultSecrets


def vault_secrets(launch: Launch, token: Secret, known: Mapping[str, Reading]) -> VaultSecrets:
    """The task's secrets in Vault, with its token; raises SecretError where either is missing."""
    if launch.vault is None:
        raise SecretError(
            "the task has secrets, but the driver has no Vault address",
            "set vault { address } in the plugin's config",
        )
    if not token.reveal():
        raise SecretError("the task has secrets, but no Vault token", "add a vault block to the job")
    vault = launch.vault
    return VaultSecrets(vault.address, token, namespace=vault.namespace, ca_cert=vault.ca_cert, known=known)


def kv_mount(launch: Launch) -> str:
    """The mount of secrets that name no path."""
    return launch.vault.mount if launch.vault is not None else "secret"
