"""Vault's HTTP API as the operator uses it (a home of hvac)."""

from wasmdeploy_cli.vault.client import Vault
from wasmdeploy_cli.vault.kv import Kv, StoredSecrets, Version

__all__ = ["Kv", "StoredSecrets", "Vault", "Version"]
