"""Which job a command means: a manifest's, or one named on the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from wasmdeploy_cli.manifest import load
from wasmdeploy_cli.nomad import Settings


@dataclass(frozen=True, slots=True)
class Target:
    """A job's name, its namespace and region."""

    name: str
    namespace: str
    region: str = ""


def target(path: Path, name: str, namespace: str, environment: str = "") -> Target:
    """The job `name`, or that of the manifest at `path`; raises ConfigError where the manifest is broken."""
    if name:
        return Target(name, namespace or "default")
    app = load(path, environment)
    return Target(app.name, namespace or app.namespace, app.deploy.region)


def through(link: str, settings: Settings) -> str:
    """An app's URL as it works from here: a name below localhost is served by the known Traefik, at its port."""
    parts = urlsplit(link)
    if settings.traefik and (parts.hostname or "").endswith("localhost"):
        return f"http://{parts.hostname}:{urlsplit(settings.traefik).port or 80}/"
    return link
