"""The tags by which Traefik's catalogue providers, Consul's and Nomad's, route to an app.

Traefik merges the tags of all instances of a service. Two instances that give one router or load balancer
different contents make it drop both, so each name carries a hash of what it stands for: versions that agree
share it, versions that differ do not, and both are served while the one replaces the other. An app that does
not answer every path has its routes in the rule: while versions with different ones serve side by side, each
path reaches one that knows it. Which component answers is the executor's to know.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from wasmdeploy_cli.manifest.app import App

CANARY_HEADER = "X-Canary"
OPEN = "Open the app"
"""The label of the app's own link in Nomad's UI."""
_HOST = re.compile(r"traefik\.http\.routers\.[^.]+\.rule=Host\(`([^`]+)`\)(?: && \(.*\))?")
_SECURE = ("secure", "https", "tls")  # Traefik's own name for it is websecure


def traefik_tags(app: App) -> tuple[str, ...]:
    """The service tags of an app, none without a host name."""
    if not app.deploy.host:
        return ()
    # The manifest's reader lets only DNS names through, so none can end the backticks.
    return ("traefik.enable=true", *_router(app, "", f"Host(`{app.deploy.host}`){_paths(app)}"))


def canary_tags(app: App) -> tuple[str, ...]:
    """What canaries that wait for their promotion have beside these: a router and a balancer of their own.

    They answer at canary.<host>, and where the request has the header `X-Canary: true`.
    """
    if not app.deploy.host:
        return ()
    host = app.deploy.host
    rule = f"Host(`{canary_host(app)}`) || (Host(`{host}`) && Header(`{CANARY_HEADER}`, `true`))"
    return (f"traefik.{_provider(app)}.canary=true", *_router(app, "-canary", rule))


def canary_host(app: App) -> str:
    """The host name that leads to canaries alone."""
    return f"canary.{app.deploy.host}"


def _paths(app: App) -> str:
    """What a rule says of paths: the app's routes and its health, nothing where it answers them all.

    Nor with a percent sign in a route: the executor compares paths as they are sent, Traefik decodes them.
    """
    routes = [trigger.route for trigger in app.trigger.http]
    if "/..." in routes or any("%" in route for route in routes):
        return ""
    said: list[str] = []
    for route in sorted(routes):
        base = route.removesuffix("/...").rstrip("/")
        below = f"PathPrefix(`{base}/`)" if route.endswith("/...") else f"Path(`{base}/`)"
        said += [f"Path(`{base}`)", below] if base else [below]
    return f" && ({' || '.join([*said, f'Path(`{app.deploy.health_path}`)'])})"


def _router(app: App, suffix: str, rule: str) -> tuple[str, ...]:
    deploy = app.deploy
    entrypoints = deploy.entrypoints or (("websecure",) if deploy.tls else ())
    settings = [f"rule={rule}"]
    if entrypoints:
        settings.append(f"entrypoints={','.join(entrypoints)}")
    if deploy.middlewares:
        settings.append(f"middlewares={','.join(deploy.middlewares)}")
    if deploy.tls:
        settings.append("tls=true")
        if deploy.cert_resolver:
            settings.append(f"tls.certresolver={deploy.cert_resolver}")
    content = "\n".join((*settings, *(deploy.redirect_entrypoints if deploy.tls else ()))).encode()
    name = f"{app.namespace}-{app.name}-{hashlib.sha256(content).hexdigest()[:8]}{suffix}"
    routers = [(name, [*settings, f"service={name}"])]
    middlewares: tuple[str, ...] = ()
    if deploy.tls and deploy.redirect_entrypoints:
        plain = f"entrypoints={','.join(deploy.redirect_entrypoints)}"
        redirect = f"{name}-redirect"
        routers.append((redirect, [f"rule={rule}", plain, f"middlewares={redirect}", f"service={name}"]))
        scheme = f"traefik.http.middlewares.{redirect}.redirectscheme"
        middlewares = (f"{scheme}.scheme=https", f"{scheme}.permanent=true")
    return (
        *(f"traefik.http.routers.{router}.{setting}" for router, each in routers for setting in each),
        *middlewares,
        f"traefik.http.services.{name}.loadbalancer.passhostheader=true",
    )


def _provider(app: App) -> str:
    return "nomad" if app.deploy.catalog == "nomad" else "consulcatalog"


@dataclass(frozen=True, slots=True)
class Reach:
    """How an app is reached: its host name ("" for none), the path that tells its health, and the catalogue."""

    host: str
    health_path: str
    catalog: str
    secure: bool

    @property
    def url(self) -> str:
        """Where people reach it, empty without a host name."""
        return self._url(self.host)

    @property
    def canary_url(self) -> str:
        """Where canaries that wait for their promotion are reached, empty without a host name."""
        return self._url(f"canary.{self.host}") if self.host else ""

    def _url(self, host: str) -> str:
        return f"{'https' if self.secure else 'http'}://{host}/" if host else ""


def services(job: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The services of a job's groups and of their tasks."""
    return [
        service
        for group in job["TaskGroups"]
        for owner in (group, *group["Tasks"])
        for service in owner.get("Services") or ()
    ]


def reach(job: Mapping[str, Any]) -> Reach:
    """How the app of a job is reached, whichever version of wasmdeploy has made the job."""
    for service in services(job):
        tags = service.get("Tags") or ()
        host = next((match[1] for tag in tags if (match := routed_host(tag))), "")
        path = next((check["Path"] for check in service.get("Checks") or () if check.get("Path")), "/")
        return Reach(host, path, service.get("Provider") or "consul", _secure(tags))
    return Reach("", "/", "consul", secure=False)


def routed_host(tag: str) -> re.Match[str] | None:
    """The host name (group 1) of a tag that routes all of it."""
    return _HOST.fullmatch(tag)


def _secure(tags: Iterable[str]) -> bool:
    """Whether the main router is HTTPS; its redirect's entry points do not count."""
    for tag in tags:
        setting, _, value = tag.partition("=")
        if "-redirect." in setting or not setting.startswith("traefik.http.routers."):
            continue
        if setting.endswith(".tls") or (
            setting.endswith(".entrypoints") and any(word in value.lower() for word in _SECURE)
        ):
            return True
    return False


def url(app: App) -> str:
    """Where people reach the app, empty without a host name."""
    return Reach(app.deploy.host, "", "", _secure(traefik_tags(app))).url
