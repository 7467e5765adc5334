"""The deploy itself, step by step."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wasmdeploy_cli.console import Output
from wasmdeploy_cli.deployment.checks import check_consul, check_guests, check_nomad, check_secrets
from wasmdeploy_cli.deployment.publish import publish
from wasmdeploy_cli.deployment.rollout import Rollout
from wasmdeploy_cli.deployment.target import through
from wasmdeploy_cli.errors import ClusterError, DeployError
from wasmdeploy_cli.job import Artifacts, build_job
from wasmdeploy_cli.job.route import url
from wasmdeploy_cli.job.tool import installed_version
from wasmdeploy_cli.manifest import App
from wasmdeploy_cli.nomad import Nomad, Settings
from wasmdeploy_cli.web import request


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line adds: values of variables, a shared directory, seconds to wait (0: do not)."""

    values: Mapping[str, str]
    component_dir: Path | None
    timeout: float


def deploy(app: App, settings: Settings, options: Options, out: Output) -> str:
    """Bring the app's current version up and give its URL ("" without a host name).

    Nothing is sent before every check has passed; raises GuestError, ClusterError, SecretError, DeployError.
    """
    nomad = Nomad(settings, app.namespace, app.deploy.region)
    base = options.component_dir or settings.components
    guests = check_guests(app)
    with out.waiting("Checking Nomad, Consul and Vault"):
        check_nomad(nomad, app)
        check_consul(settings)
        revision = check_secrets(settings, app, out)
    digests = {name: guest.digest for name, guest in guests.items()}
    job = _job(app, digests, base, options, revision)
    publish(app, guests, base, out)
    before = nomad.job(app.name)
    evaluation = nomad.register(job)
    rollout = Rollout(nomad, app.name, out, time.monotonic() + options.timeout)
    if before is not None and (nomad.job(app.name) or {}).get("Version") == before["Version"]:
        _unchanged(rollout, before["Version"], out, wait=bool(options.timeout))
        return reachable(app, settings)
    out.event("registered", f"Registered {app.name} in namespace {app.namespace}", evaluation=evaluation)
    if options.timeout:
        _watch(rollout, evaluation, out)
        _wait_for_route(app, settings, out, time.monotonic() + 30)
    return reachable(app, settings)


def _unchanged(rollout: Rollout, version: int, out: Output, *, wait: bool) -> None:
    """Say that this version was deployed before; it may still be on its way, or have failed."""
    out.event("unchanged", f"Nothing changed: version {version} stays", version=version)
    newest = rollout.nomad.newest_deployment(rollout.job)
    if wait and newest and newest["JobVersion"] == version and newest["Status"] != "successful":
        rollout.healthy(newest["ID"])


def reachable(app: App, settings: Settings) -> str:
    """The app's URL, empty without a host name."""
    return through(url(app), settings)


def _job(
    app: App, digests: Mapping[str, str], base: Path | None, options: Options, revision: str
) -> dict[str, Any]:
    from wasmdeploy_cli.deployment.publish import component_dir

    directory = str(component_dir(app, base)) if base is not None else ""
    artifacts = Artifacts(digests, directory)
    return build_job(
        app, artifacts, values=options.values, revision=revision, tool_version=installed_version()
    )


def _watch(rollout: Rollout, evaluation: str, out: Output) -> None:
    deployment = rollout.placed(evaluation)
    if not deployment:  # only the number of instances or the like has changed
        return
    rollout.healthy(deployment)
    out.event("healthy", "The new version is healthy and promoted", deployment=deployment)


def _wait_for_route(app: App, settings: Settings, out: Output, deadline: float) -> None:
    """Ask Traefik, where its address is known here, for the app's host name until it has the route."""
    if not (settings.traefik and app.deploy.host):
        return
    while True:
        try:
            status = request("Traefik", "GET", f"{settings.traefik}{app.deploy.health_path}",
                             headers={"Host": app.deploy.host}).status  # fmt: skip
        except ClusterError:
            status = 0
        if status and status not in (404, 502, 503):
            out.event(
                "routed", f"Traefik routes {app.deploy.host} (at {settings.traefik})", host=app.deploy.host
            )
            return
        if time.monotonic() > deadline:
            raise DeployError(
                f"Traefik at {settings.traefik} has no route for {app.deploy.host} (HTTP {status or 'none'})",
                "see that Traefik reads the Consul catalogue, and the tags: consul catalog services -tags",
            )
        time.sleep(0.25)
