"""What must hold before anything is sent: guests, Nomad with the driver, Consul, Vault with the secrets."""

from __future__ import annotations

from dataclasses import replace

from wasmdeploy_cli.console import Output
from wasmdeploy_cli.errors import ClusterError
from wasmdeploy_cli.job import make_task
from wasmdeploy_cli.manifest import App, require_built
from wasmdeploy_cli.nomad import Nomad, Settings
from wasmdeploy_cli.vault import StoredSecrets, Vault
from wasmdeploy_driver.executor.check import Checked, check_app_guest, check_command_guest
from wasmdeploy_driver.secrets import is_dynamic
from wasmdeploy_driver.variables import resolve, vault_location

_DRIVER = "wasm"


def check_guests(app: App) -> dict[str, Checked]:
    """Each component's file, read and found usable; raises GuestError."""
    return {name: check_guest(app, name) for name in require_built(app)}


def check_guest(app: App, name: str) -> Checked:
    """One component's file; raises GuestError."""
    if app.command:
        return check_command_guest(app.source(name))
    executor = app.executor(name)
    return check_app_guest(
        app.source(name),
        engine=app.component[name].engine,
        executor=executor.type,
        entrypoint=executor.entrypoint,
    )


def check_nomad(nomad: Nomad, app: App) -> None:
    """Nomad answers, lets us register, and has a node with driver and Consul for the app; raises ClusterError."""
    regions = nomad.regions()
    if app.deploy.region not in regions:
        raise ClusterError(
            f"Nomad has no region {app.deploy.region!r}, only {', '.join(sorted(regions))}",
            "see deploy.region",
        )
    if not nomad.has_namespace():
        raise ClusterError(
            f"Nomad has no namespace {app.namespace!r}", f"make it: nomad namespace apply {app.namespace}"
        )
    nomad.require_submit()
    ready = [
        node
        for node in nomad.nodes()
        if node["Status"] == "ready" and node["SchedulingEligibility"] == "eligible"
    ]
    if not ready:
        raise ClusterError("Nomad has no node that is ready and eligible", "see: nomad node status")
    able = [node for node in ready if (node.get("Drivers") or {}).get(_DRIVER, {}).get("Healthy")]
    if not able:
        detected = [node for node in ready if (node.get("Drivers") or {}).get(_DRIVER, {}).get("Detected")]
        if detected:
            reason = detected[0]["Drivers"][_DRIVER].get("HealthDescription", "")
            raise ClusterError(
                f"the driver {_DRIVER!r} is unhealthy on every node: {reason}", "see the Nomad client's log"
            )
        raise ClusterError(
            f"no Nomad node has the driver {_DRIVER!r}",
            "install it on the nodes: wasmdeploy driver install --plugin-dir DIR",
        )
    if app.in_consul and not any(
        "consul.version" in (nomad.node(node["ID"]).get("Attributes") or {}) for node in able
    ):
        raise ClusterError(
            "no Nomad node with the driver reaches a Consul agent, which the app's service needs",
            'start Consul beside the Nomad clients, fix their consul { address }, or set deploy.catalog = "nomad"',
        )


def check_secrets(settings: Settings, app: App, out: Output) -> str:
    """Every stored secret is in Vault, where its address is known here; gives the paths with their versions.

    The versions become part of the job: a changed secret is a new version of the app. Credentials that Vault makes are
    for the task alone to ask for. Raises SecretError.
    """
    if not app.secrets:
        return ""
    if not settings.vault:
        out.event("unchecked", "Secrets are not checked: VAULT_ADDR is not set")
        return ""
    vault = StoredSecrets(Vault(settings))
    task = make_task(app, dict.fromkeys(app.component, ""), values=_any_values(app))
    stored = (each for each in task.variable if not is_dynamic(vault_location(task, each)[0]))
    resolve(replace(task, variable=tuple(stored)), vault)
    return " ".join(f"{path}@{version}" for path, version in sorted(vault.versions.items()))


def _any_values(app: App) -> dict[str, str]:
    # Only the secrets are asked for here; a plain variable without a value is the job builder's error.
    return {name: "" for name, variable in app.variables.items() if not variable.secret}
