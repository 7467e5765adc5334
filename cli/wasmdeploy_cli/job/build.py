"""The Nomad job of an app as the API takes it: durations in nanoseconds, keys without a value left out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wasmdeploy_cli.errors import ConfigError
from wasmdeploy_cli.job.command import command_group, launching
from wasmdeploy_cli.job.config import nomad_config
from wasmdeploy_cli.job.route import OPEN, canary_tags, traefik_tags, url
from wasmdeploy_cli.job.task import PAYLOAD, make_task
from wasmdeploy_cli.manifest.app import App
from wasmdeploy_cli.manifest.deploy import MIN_HEALTHY_SECONDS, Deploy
from wasmdeploy_driver.duration import seconds

Json = dict[str, Any]

_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Canaries:
    """How many instances of a new version come first (0: all of them), and whether a person promotes them."""

    count: int = 0
    auto_promote: bool = True


ALL_AT_ONCE = Canaries()


@dataclass(frozen=True, slots=True)
class Artifacts:
    """Which components to run, and where nodes find them: a directory of theirs, or the manifest's URL."""

    digests: Mapping[str, str]
    component_dir: str = ""


def build_job(
    app: App,
    artifacts: Artifacts,
    *,
    values: Mapping[str, str] | None = None,
    revision: str = "",
    tool_version: str = "",
    canaries: Canaries = ALL_AT_ONCE,
) -> Json:
    """The job of `app`, the content of `{"Job": …}`; the same arguments give the same job, to the byte.

    `values` are the plain variables' values; `revision` names this deploy and `tool_version` the wasmdeploy
    that made it, both only in the job's meta. `artifacts.component_dir` (absolute, one of the driver's
    `allow_paths`) goes before the manifest's `artifacts` URL; with neither it is a ConfigError.
    """
    task = _task(app, artifacts, values)
    job: Json = {
        "ID": app.name,
        "Name": app.name,
        "Type": app.type,
        "Region": app.deploy.region,
        "Namespace": app.namespace,
        "Datacenters": list(app.deploy.datacenters),
        "UI": _ui(app),
    }
    if app.command:
        job |= launching(app)
    meta = {
        "app_version": app.application.version,
        "digest": _digest(job, _group(app, task, ALL_AT_ONCE)),
        "revision": revision,
        "wasmdeploy_version": tool_version,
    }
    if not app.command:
        within = seconds(app.deploy.healthy_within, "healthy_within")
        job["Update"] = update(app.deploy.count, within, canaries)
    job["TaskGroups"] = [_group(app, task, canaries)]
    return {**job, "Meta": {key: value for key, value in meta.items() if value}}


def _ui(app: App) -> Json:
    ui: Json = {"Description": app.application.description or f"{app.name}, a WebAssembly app"}
    own = {OPEN: link} if (link := url(app)) else {}
    if links := {**own, **app.deploy.links}:
        ui["Links"] = [{"Label": label, "URL": link} for label, link in links.items()]
    return ui


def update(count: int, healthy_within: float, canaries: Canaries = ALL_AT_ONCE) -> Json:
    """How a new version of `count` instances takes over.

    As many canaries as instances: the new version is whole and healthy before the old one shrinks. With fewer,
    the others follow after the promotion, as many at a time.
    """
    return {
        "Canary": canaries.count or count,
        "MaxParallel": canaries.count or count,
        "AutoPromote": canaries.auto_promote,
        "AutoRevert": True,
        "HealthCheck": "checks",
        "MinHealthyTime": MIN_HEALTHY_SECONDS * _SECOND,
        # A first start downloads and compiles: seconds for most guests, a minute on a busy machine.
        "HealthyDeadline": int(healthy_within * _SECOND),
        # None: with one, Nomad reschedules a version that cannot start until the deadline, ten minutes by
        # default. Without, the first instance that fails for good (its restarts used up) fails the
        # deployment at once.
        "ProgressDeadline": 0,
    }


def _group(app: App, task: Json, canaries: Canaries) -> Json:
    group = command_group(app, task) if app.command else _service_group(app, task, canaries)
    if app.deploy.volumes:
        # Without an access mode Nomad takes one that lets an old and a new version have the volume at once.
        group["Volumes"] = {
            name: {
                "Name": name,
                "Type": "host",
                "Source": volume.source or name,
                "ReadOnly": volume.read_only,
            }
            for name, volume in app.deploy.volumes.items()
        }
    return group


def _service_group(app: App, task: Json, canaries: Canaries) -> Json:
    group: Json = {
        "Name": app.name,
        "Count": app.deploy.count,
        # Nomad takes the service out of Consul first and stops the task this much later: longer than
        # Traefik takes to notice, so that no request is sent to a closed port.
        "ShutdownDelay": 5 * _SECOND,
        "RestartPolicy": {"Attempts": 3, "Interval": 120 * _SECOND, "Delay": 2 * _SECOND, "Mode": "fail"},
        "ReschedulePolicy": {
            "Delay": 5 * _SECOND,
            "DelayFunction": "exponential",
            "MaxDelay": 300 * _SECOND,
            "Unlimited": True,
        },
        "Networks": [_network(app)],
        "Tasks": [task],
    }
    if app.deploy.catalog == "nomad":
        # Traefik's provider for Nomad's catalogue ignores health: there the service is the task's, which is
        # registered once the driver has started it, while a group's is registered before anything runs.
        own = {"ShutdownDelay": group.pop("ShutdownDelay"), "Services": [_service(app, canaries)]}
        group["Tasks"] = [{**task, **own}]
    else:
        group["Services"] = [_service(app, canaries)]
    return group


def _network(app: App) -> Json:
    mode = {} if app.deploy.network == "host" else {"Mode": app.deploy.network}
    return {**mode, "DynamicPorts": [{"Label": "http"}]}


def _service(app: App, canaries: Canaries) -> Json:
    """Canaries carry the old version's tags, so Traefik routes to old and new at once.

    With others alone, canaries would take the route only when Nomad rewrites their tags at the promotion,
    the moment it also takes the old version out: 404 for all until Traefik has seen the rewritten tags. So
    canaries that wait for a person have a router of their own beside the common one.
    """
    service: Json = {
        "Name": app.service_name,
        "Provider": app.deploy.catalog,
        "PortLabel": "http",
        "Checks": [{**_check(app), "Interval": 2 * _SECOND, "Timeout": 2 * _SECOND}],
    }
    if tags := traefik_tags(app):
        service["Tags"] = list(tags)
        if not canaries.auto_promote:
            service["CanaryTags"] = [*tags, *canary_tags(app)]
    return service


def _check(app: App) -> Json:
    """Where the executor does not answer, a connection has to do, or a path of the guest's own."""
    if app.external and app.deploy.health_path == Deploy().health_path:
        return {"Type": "tcp"}
    return {"Type": "http", "Path": app.deploy.health_path}


def _task(app: App, artifacts: Artifacts, values: Mapping[str, str] | None) -> Json:
    sources, downloads = _components(app, artifacts)
    task: Json = {
        "Name": app.name,
        "Driver": "wasm",
        "Config": nomad_config(make_task(app, sources, artifacts.digests, values)),
        # All that Nomad's clients allow by default (max_kill_timeout): requests under way may end first.
        "KillTimeout": 30 * _SECOND,
        "Resources": {"CPU": app.deploy.cpu, "MemoryMB": app.deploy.memory},
    }
    if downloads:
        task["Artifacts"] = downloads
    if app.secrets:
        task["Vault"] = _vault(app)
    if app.takes_payload:
        task["DispatchPayload"] = {"File": PAYLOAD}
    if app.deploy.volumes:
        task["VolumeMounts"] = [
            {"Volume": name, "Destination": volume.path, "ReadOnly": volume.read_only}
            for name, volume in app.deploy.volumes.items()
        ]
    return task


def _components(app: App, artifacts: Artifacts) -> tuple[dict[str, str], list[Json]]:
    """Where the task finds each component, and what Nomad has to download for it."""
    digests = {name: _hex(name, artifacts.digests.get(name, "")) for name in app.component}
    if artifacts.component_dir:
        if not artifacts.component_dir.startswith("/"):
            raise ConfigError(
                f"component directory {artifacts.component_dir!r} is not absolute",
                "give the whole path, as the nodes have it",
            )
        directory = artifacts.component_dir.rstrip("/")
        return {name: f"{directory}/{digest}.wasm" for name, digest in digests.items()}, []
    if not app.deploy.artifacts:
        raise ConfigError(
            f"{app.path} does not say where nodes find the components",
            "set deploy.artifacts to a URL, or give --component-dir",
        )
    base = app.deploy.artifacts.rstrip("/")
    downloads: list[Json] = [
        {
            "GetterSource": f"{base}/{digest}.wasm",
            "GetterMode": "file",
            "GetterOptions": {"checksum": f"sha256:{digest}"},
            "RelativeDest": f"local/{name}.wasm",
        }
        for name, digest in digests.items()
    ]
    return {name: f"local/{name}.wasm" for name in digests}, downloads


def _hex(name: str, digest: str) -> str:
    kind, _, value = digest.partition(":")
    if kind != "sha256" or len(value) != 64:
        raise ConfigError(f"component {name!r} has no sha256 digest", "build the app first: wasmdeploy build")
    return value


def _vault(app: App) -> Json:
    """The token is for the executor alone: not in the environment, not in a file the guest could open.

    An app that runs has read its secrets: a lost lease changes nothing for it, so nothing is restarted.
    """
    vault: Json = {"ChangeMode": "noop", "Env": False, "DisableFile": True}
    if app.deploy.vault.role:
        vault["Role"] = app.deploy.vault.role
    return vault


def _digest(job: Json, group: Json) -> str:
    """One digest over the components (their digests are in the config) and everything the job says of them.

    It becomes part of the task's meta, where any change replaces every instance. So it leaves out how many
    there are and how they take over.
    """
    said = {**job, "TaskGroups": [{key: value for key, value in group.items() if key != "Count"}]}
    canonical = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()
