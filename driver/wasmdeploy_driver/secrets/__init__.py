"""Secrets: values that cannot be printed, and Vault, where they come from (the only home of hvac)."""

from wasmdeploy_driver.secrets.secret import GivenSecrets, Secret, SecretSource
from wasmdeploy_driver.secrets.tls import session
from wasmdeploy_driver.secrets.vault import Lease, Reading, VaultSecrets, is_dynamic, mount_and_path

__all__ = [
    "GivenSecrets",
    "Lease",
    "Reading",
    "Secret",
    "SecretSource",
    "VaultSecrets",
    "is_dynamic",
    "mount_and_path",
    "session",
]
