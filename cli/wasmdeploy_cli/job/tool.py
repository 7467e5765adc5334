"""Which wasmdeploy this is, for the job's meta."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def installed_version() -> str:
    """The version of the installed wasmdeploy, empty when it runs from a checkout that is not installed."""
    try:
        return version("wasmdeploy")
    except PackageNotFoundError:
        return ""
