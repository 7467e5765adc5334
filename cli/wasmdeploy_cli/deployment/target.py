"""Which job a command means: a manifest's, or one named on the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wasmdeploy_cli.manifest import load


@dataclass(frozen=True, slots=True)
class Target:
    """A job's name, its namespace and region."""

    name: str
    namespace: str
    region: str = ""


def target(path: Path, name: str, namespace: str) -> Target:
    """The job `name`, or that of the manifest at `path`; raises ConfigError where the manifest is broken."""
    if name:
        return Target(name, namespace or "default")
    app = load(path)
    return Target(app.name, namespace or app.namespace, app.deploy.region)
