"""Traefik: whether it answers, reads the app's catalogue, hears of changes in time, and routes the host."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from wasmdeploy_cli.doctor.api import Api
from wasmdeploy_cli.doctor.consul import healthy_instances
from wasmdeploy_cli.doctor.finding import Finding, failed
from wasmdeploy_cli.errors import ClusterError, ConfigError
from wasmdeploy_cli.manifest import App
from wasmdeploy_driver.duration import seconds

_PROVIDERS = {"consul": "consulcatalog", "nomad": "nomad"}
_REFRESH = re.compile(r"refresh_?interval[\"']?\s*[=:]\s*[\\\"']*([0-9][0-9a-z.]*)", re.I)
_DEFAULT_REFRESH = 15.0  # seconds; Traefik's own for both catalogues


def traefik_findings(api: Api, app: App, shutdown_delay: float, configuration: str) -> list[Finding]:
    """Traefik for this app; `configuration` is its static configuration as far as it is known, any format."""
    if not app.deploy.host:
        return []
    address = api.settings.traefik
    dns = dns_finding(app.deploy.host, urlsplit(address).hostname or "")
    found = [dns] if dns else []
    if not address:
        return [
            *found,
            Finding(
                "cluster",
                "traefik",
                "note",
                "not checked: no Traefik is known here",
                "",
                "set TRAEFIK_ADDR",
            ),
        ]
    try:
        answer = api.traefik(address, {"Host": app.deploy.host})
    except ClusterError as error:
        return [
            *found,
            Finding(
                "cluster",
                "traefik",
                "error",
                error.message,
                f"the entry point {address}",
                api.settings.mending(address)
                or "start it, like jobspecs/traefik.nomad.hcl; or correct TRAEFIK_ADDR",
            ),
        ]
    found.append(Finding("cluster", "traefik", "ok", "answers", f"{address}, HTTP {answer.status}"))
    found += provider_findings(api, app)
    if configuration:
        found.append(refresh_finding(configuration, shutdown_delay))
    else:
        found.append(
            Finding(
                "cluster",
                "traefik refresh",
                "note",
                "its refresh interval cannot be seen from here",
                f"instances leave {shutdown_delay:g} s after their service does",
                f"keep providers.consulCatalog.refreshInterval below {shutdown_delay:g}s",
            )
        )
    return found + route_findings(api, app, answer.status, answer.body)


def provider_findings(api: Api, app: App) -> list[Finding]:
    """Whether Traefik reads the catalogue that has the app's service, where its API can be asked."""
    catalog = str(getattr(app.deploy, "catalog", "consul"))
    providers, reason = _providers(api)
    if providers is None:
        return [
            Finding(
                "cluster",
                "traefik provider",
                "note",
                "its providers cannot be seen",
                reason,
                "set TRAEFIK_API_ADDR to an entry point with api.insecure, or look at its dashboard",
            )
        ]
    named = [each.lower() for each in providers]
    if _PROVIDERS[catalog] in named:
        return [
            Finding(
                "cluster", "traefik provider", "ok", f"reads the {catalog} catalogue", ", ".join(providers)
            )
        ]
    return [
        Finding(
            "cluster",
            "traefik provider",
            "error",
            f"Traefik does not read the {catalog} catalogue: no route is made",
            f"its providers: {', '.join(providers) or 'none'}",
            "enable providers.consulCatalog (or .nomad) in Traefik, or change deploy.catalog",
        )
    ]


def _providers(api: Api) -> tuple[list[str] | None, str]:
    """The providers that Traefik's API names, or None and why not."""
    where = f"{api.settings.traefik_api}/api/overview"
    if not api.settings.traefik_api:
        return None, "no address of its API is known"
    try:
        answer = api.traefik(where)
        if answer.status != 200 and (
            known := api.settings.traefik_config
        ):  # a local stack without --dashboard
            return [each for each in _PROVIDERS.values() if re.search(rf"^  {each}:", known, re.I | re.M)], ""
        if answer.status != 200:
            return None, f"{where}: HTTP {answer.status}, its API is off"
        return [str(each) for each in json.loads(answer.body).get("providers") or []], ""
    except (ClusterError, ValueError) as error:
        return None, str(error)


def refresh_finding(configuration: str, shutdown_delay: float) -> Finding:
    """Whether Traefik hears that an instance leaves before it does."""
    match = _REFRESH.search(configuration)
    try:
        every = seconds(match[1], "refreshInterval") if match else _DEFAULT_REFRESH
    except ConfigError as error:
        return failed("cluster", "traefik refresh", error)
    evidence = f"it looks every {every:g} s; instances leave {shutdown_delay:g} s after their service does"
    if every < shutdown_delay:
        return Finding("cluster", "traefik refresh", "ok", "hears of changes in time", evidence)
    return Finding(
        "cluster",
        "traefik refresh",
        "error",
        "Traefik hears too late that instances leave: deploys lose requests",
        evidence,
        "set refreshInterval to 1s in Traefik's provider",
    )


def route_findings(api: Api, app: App, status: int, body: bytes) -> list[Finding]:
    """Whether the host is routed, where there is something to route to."""
    healthy = healthy_instances(api.settings, app.service_name)
    if not healthy:
        return []
    if status == 404 and body.strip() == b"404 page not found":
        return [
            Finding(
                "cluster",
                "route",
                "error",
                f"Traefik has no route for {app.deploy.host}",
                f"Consul has {healthy} healthy instance(s)",
                "look at Traefik's log, and at its provider and entry points",
            )
        ]
    return [
        Finding(
            "cluster", "route", "ok", f"{app.deploy.host} is routed", f"HTTP {status}, {healthy} instance(s)"
        )
    ]


def dns_finding(host: str, traefik: str) -> Finding | None:
    """What is wrong with the host's address, as this machine sees it; nothing for names of this machine."""
    if host.endswith("localhost"):
        return None
    try:
        addresses = sorted(
            {str(each[4][0]) for each in socket.getaddrinfo(host, 80, type=socket.SOCK_STREAM)}
        )
    except OSError as error:
        return Finding(
            "cluster",
            "dns",
            "warning",
            f"{host} has no address, as seen from here",
            str(error.strerror or error),
            f"an A record for {host} that points at Traefik{f', {traefik}' if traefik else ''}",
        )
    return Finding("cluster", "dns", "ok", f"{host} has an address", ", ".join(addresses))


def configuration_of(api: Api) -> str:
    """The static configuration of a Traefik that runs as a Nomad job; empty where there is none that we may see."""
    try:
        jobs = api.nomad("jobs", "*") or []
        texts = [json.dumps(_asked(api, job)) for job in jobs if "traefik" in str(job.get("ID", "")).lower()]
    except ClusterError:
        return ""
    return next((text for text in texts if "catalog" in text.lower() or "providers" in text.lower()), "")


def _asked(api: Api, job: dict[str, Any]) -> list[Any]:
    found = api.nomad(f"job/{job['ID']}", str(job.get("Namespace", "default"))) or {}
    return list(_tasks(found))


def _tasks(job: dict[str, Any]) -> Iterator[Any]:
    for group in job.get("TaskGroups") or []:
        for task in group.get("Tasks") or []:
            yield {
                "config": task.get("Config"),
                "templates": [t.get("EmbeddedTmpl") for t in task.get("Templates") or []],
            }
