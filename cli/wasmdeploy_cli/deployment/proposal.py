"""What a deploy would register: the app, checked, as a job beside the one that runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wasmdeploy_cli.console import Output
from wasmdeploy_cli.deployment.checks import check_guests, check_nomad, check_secrets
from wasmdeploy_cli.deployment.conflicts import check_conflicts, require_own
from wasmdeploy_cli.deployment.consul import Consul
from wasmdeploy_cli.deployment.publish import component_dir, require_directory, require_way
from wasmdeploy_cli.errors import ConfigError
from wasmdeploy_cli.job import Artifacts, Canaries, build_job, check_values
from wasmdeploy_cli.job.tool import installed_version
from wasmdeploy_cli.manifest import App
from wasmdeploy_cli.nomad import Nomad, Settings
from wasmdeploy_driver.executor.check import Checked

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line adds to the manifest."""

    values: Mapping[str, str] = field(default_factory=dict)
    component_dir: Path | None = None
    canaries: Canaries = field(default_factory=Canaries)
    replace: bool = False  # also a job that is not wasmdeploy's


@dataclass(frozen=True, slots=True)
class Proposal:
    """A job to register, what it is made from, and the job it would follow (None: there is none)."""

    app: App
    guests: Mapping[str, Checked]
    base: Path | None
    job: Json
    current: Json | None

    @property
    def index(self) -> int:
        """The JobModifyIndex that the job follows; Nomad takes it only while that is still the newest."""
        return int(self.current["JobModifyIndex"]) if self.current else 0


def check_options(app: App, settings: Settings, options: Options) -> None:
    """Raise ConfigError where the command line does not fit the app: nothing is asked, nothing needs to be built."""
    check_values(app, options.values)
    require_directory(options.component_dir, settings.components)
    if app.command and options.canaries.count:
        raise ConfigError(f"{app.name} is a command, which has no canaries", "leave --canary out")


def propose(app: App, settings: Settings, options: Options, nomad: Nomad, out: Output) -> Proposal:
    """Check the app, the cluster and the secrets, and make the job; nothing is sent.

    Raises GuestError, ConfigError, ClusterError and SecretError.
    """
    base = options.component_dir or settings.components
    guests = check_guests(app)
    current, revision = check_cluster(app, settings, options, nomad, out)
    job = build_job(
        app,
        Artifacts(
            {name: guest.digest for name, guest in guests.items()},
            str(component_dir(app, base)) if base is not None else "",
        ),
        values=options.values,
        revision=revision,
        tool_version=installed_version(),
        canaries=options.canaries,
    )
    return Proposal(app, guests, base, _restarted(job, current), current)


def check_cluster(
    app: App, settings: Settings, options: Options, nomad: Nomad, out: Output
) -> tuple[Json | None, str]:
    """Ask Nomad, Consul and Vault whether they would take the app: nothing of it needs to be built.

    Gives the job that runs now, and the secrets' paths with their versions. Raises ConfigError, ClusterError and
    SecretError.
    """
    consul = Consul(settings)
    with out.step("check", "Nomad, Consul and Vault"):
        check_nomad(nomad, app)
        require_way(app, options.component_dir or settings.components)
        if consul.known and app.in_consul:
            consul.leader()
        current = nomad.job(app.name)
        if not options.replace:
            require_own(app, current)
        check_conflicts(app, nomad, consul)
        return current, check_secrets(settings, app, out)


def _restarted(job: Json, current: Json | None) -> Json:
    """The job with the mark of the last `restart`: without it, the same app would be replaced once more."""
    meta = (current or {}).get("Meta") or {}
    if "restarted" in meta and meta.get("digest") == job["Meta"]["digest"]:
        return {**job, "Meta": {**job["Meta"], "restarted": meta["restarted"]}}
    return job
