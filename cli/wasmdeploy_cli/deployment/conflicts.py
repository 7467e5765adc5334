"""What two apps must not share: a job, a host name, a name in Consul."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from wasmdeploy_cli.deployment.consul import Consul
from wasmdeploy_cli.errors import ClusterError
from wasmdeploy_cli.job.route import routed_host
from wasmdeploy_cli.manifest import App, service_name
from wasmdeploy_cli.nomad import Nomad


def require_own(app: App, current: dict[str, Any] | None) -> None:
    """Raise ClusterError where the job of the app's name is not wasmdeploy's, which has a digest in its meta."""
    if current is not None and "digest" not in (current.get("Meta") or {}):
        raise ClusterError(
            f"the job {app.name!r} in namespace {app.namespace!r} is no app of wasmdeploy's",
            "choose another application.name, or replace that job: --replace",
        )


def check_conflicts(app: App, nomad: Nomad, consul: Consul) -> None:
    """Raise ClusterError where deploying the app would take something from another one."""
    if app.in_consul:
        _check_service_name(app, nomad)
    if app.deploy.host:
        _check_host(app, nomad, consul)


def _check_service_name(app: App, nomad: Nomad) -> None:
    """Namespace `a` with app `b`, and app `a-b` in the default namespace, have one name in Consul."""
    for job in nomad.apps():
        namespace, name = job["Namespace"], job["ID"]
        if (namespace, name) == (app.namespace, app.name) or job["Status"] == "dead":
            continue
        if service_name(namespace, name) == app.service_name:
            raise ClusterError(
                f"the app {name!r} in namespace {namespace!r} is the service {app.service_name!r} in Consul already",
                "choose another application.name or deploy.namespace",
            )


def _check_host(app: App, nomad: Nomad, consul: Consul) -> None:
    for catalog, service, tags in _registered(nomad, consul):
        if (catalog, service) == (app.deploy.catalog, app.service_name):
            continue
        if any((match := routed_host(tag)) and match[1].lower() == app.deploy.host.lower() for tag in tags):
            raise ClusterError(
                f"the host name {app.deploy.host!r} is routed to the service {service!r} already",
                "choose another deploy.host, or destroy that app first",
            )


def _registered(nomad: Nomad, consul: Consul) -> Iterator[tuple[str, str, list[str]]]:
    if consul.known:
        for name, tags in consul.services().items():
            yield "consul", name, tags
    for service in nomad.services():
        yield "nomad", service["ServiceName"], service.get("Tags") or []
