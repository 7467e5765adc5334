"""All checks in order; what depends on something that failed is not tried, so that one trouble is one finding."""

from __future__ import annotations

from pathlib import Path

from wasmdeploy_cli.doctor.api import Api
from wasmdeploy_cli.doctor.app import app_findings, way_findings
from wasmdeploy_cli.doctor.consul import consul_findings
from wasmdeploy_cli.doctor.finding import Finding, failed
from wasmdeploy_cli.doctor.nomad import node_checks, nomad_findings
from wasmdeploy_cli.doctor.traefik import configuration_of, traefik_findings
from wasmdeploy_cli.doctor.vault import vault_findings
from wasmdeploy_cli.errors import ClusterError, ConfigError
from wasmdeploy_cli.job import Artifacts, build_job
from wasmdeploy_cli.manifest import App, load
from wasmdeploy_cli.manifest.load import OWN, SPIN
from wasmdeploy_cli.nomad import Settings

_SECOND = 1_000_000_000


def diagnose(
    path: Path, settings: Settings, version: str, *, environment: str = "", app_only: bool = False
) -> list[Finding]:
    """Check the app at `path` and, unless `app_only`, the cluster of the settings; `version` is wasmdeploy's.

    A cluster is checked without an app where `path` has no manifest at all.
    """
    app: App | None = None
    found: list[Finding] = []
    if path.is_dir() and not any((path / name).exists() for name in (OWN, SPIN)):
        said = "no manifest is here: the cluster is checked without an app"
        found.append(Finding("app", "manifest", "note", said, str(path.absolute()), "wasmdeploy doctor PATH"))
    else:
        try:
            app = load(path, environment)
        except ConfigError as error:
            found.append(failed("app", "manifest", error))
        else:
            found += app_findings(app)
    if app_only:
        return found
    api = Api(settings)
    nomad = nomad_findings(api, app)
    found += nomad
    if nomad[0].severity != "ok":
        return found
    found += node_checks(api, version)
    found += consul_findings(settings)
    if app is None:
        return found
    found += way_findings(app, settings.components)
    found += vault_findings(settings, app, _agent(api))
    return found + traefik_findings(
        api, app, shutdown_delay(app), settings.traefik_config or configuration_of(api)
    )


def shutdown_delay(app: App) -> float:
    """How many seconds after its service an instance leaves, as the job says."""
    digests = dict.fromkeys(app.component, f"sha256:{'0' * 64}")
    values = {name: "" for name, variable in app.variables.items() if not variable.secret}
    job = build_job(app, Artifacts(digests, "/nowhere"), values=values)
    group = job["TaskGroups"][0]
    # Nomad's own catalogue has the service, and with it the delay, at the task.
    return float(max(owner.get("ShutdownDelay", 0) for owner in (group, *group["Tasks"]))) / _SECOND


def _agent(api: Api) -> dict[str, object] | None:
    """The configuration of the agent that answers; None where our token may not see it."""
    try:
        return dict(api.nomad("agent/self") or {})
    except ClusterError:
        return None
