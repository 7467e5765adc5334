"""The tags by which Traefik's Consul catalogue provider routes to an app.

Traefik merges the tags of all instances of a service. Two instances that give one router or load balancer
different contents make it drop both, so each name carries a hash of what it stands for: versions that agree
share it, versions that differ do not, and both are served while the one replaces the other. The guest's
routes are no part of the rule: the executor routes paths itself, so a changed route changes the task and
not the balancer.
"""

from __future__ import annotations

import hashlib

from wasmdeploy_cli.manifest.app import App


def traefik_tags(app: App) -> tuple[str, ...]:
    """The service tags of an app, none without a host name."""
    if not app.deploy.host:
        return ()
    # The manifest's reader lets only DNS names through, so none can end the backticks.
    settings = [f"rule=Host(`{app.deploy.host}`)"]
    if app.deploy.entrypoints:
        settings.append(f"entrypoints={','.join(app.deploy.entrypoints)}")
    content = "\n".join(settings).encode()
    name = f"{app.namespace}-{app.name}-{hashlib.sha256(content).hexdigest()[:8]}"
    return (
        "traefik.enable=true",
        *(f"traefik.http.routers.{name}.{setting}" for setting in settings),
        f"traefik.http.routers.{name}.service={name}",
        f"traefik.http.services.{name}.loadbalancer.passhostheader=true",
    )


def url(app: App) -> str:
    """Where people reach the app, empty without a host name."""
    if not app.deploy.host:
        return ""
    names = " ".join(app.deploy.entrypoints).lower()
    secure = any(
        word in names for word in ("secure", "https", "tls")
    )  # Traefik's own name for it is websecure
    return f"{'https' if secure else 'http'}://{app.deploy.host}/"
