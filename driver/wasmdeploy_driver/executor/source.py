"""Where a node's executor reads its task's secrets."""

from __future__ import annotations

from wasmdeploy_driver.errors import SecretError
from wasmdeploy_driver.executor.launch import Launch
from wasmdeploy_driver.secrets import GivenSecrets, Secret, SecretSource, VaultSecrets


def secret_source(launch: Launch, token: Secret) -> SecretSource:
    """Where the task's secrets come from: Vault with the task's token; raises SecretError where either is missing."""
    if not launch.task.secrets:
        return GivenSecrets({})
    if launch.vault is None:
        raise SecretError(
            "the task has secrets, but the driver has no Vault address",
            "set vault { address } in the plugin's config",
        )
    if not token.reveal():
        raise SecretError("the task has secrets, but no Vault token", "add a vault block to the job")
    return VaultSecrets(
        launch.vault.address, token, namespace=launch.vault.namespace, ca_cert=launch.vault.ca_cert
    )


def kv_mount(launch: Launch) -> str:
    """The mount of secrets that name no path."""
    return launch.vault.mount if launch.vault is not None else "secret"
