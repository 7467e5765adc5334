"""Vault's HTTP API as the operator uses it (a home of hvac)."""

from wasmdeploy_cli.vault.client import Vault
from wasmdeploy_cli.vault.kv import Kv, Version

__all__ = ["Kv", "Vault", "Version"]
