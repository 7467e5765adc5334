"""Nomad's API: jobs through python-nomad, logs through httpx (the only homes of both for Nomad)."""

from wasmdeploy_cli.nomad.client import Nomad
from wasmdeploy_cli.nomad.settings import Settings, settings

__all__ = ["Nomad", "Settings", "settings"]
