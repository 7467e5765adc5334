"""What a command on a deployed app begins with: which job, on which cluster; and how its versions are followed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wasmdeploy_cli.console import Output

if TYPE_CHECKING:
    from wasmdeploy_cli.deployment.deploy import Registered
    from wasmdeploy_cli.deployment.target import Target
    from wasmdeploy_cli.nomad import Nomad, Settings


def connected(
    path: Path | None, app: str, namespace: str, environment: str = ""
) -> tuple[Target, Settings, Nomad]:
    """The job that a command means, the cluster's settings, and Nomad; raises ConfigError."""
    from wasmdeploy_cli.deployment.target import target
    from wasmdeploy_cli.nomad import Nomad, settings

    wanted = target(path or Path(), app, namespace, environment)
    where = settings()
    return wanted, where, Nomad(where, wanted.namespace, wanted.region)


def finish(
    registered: Registered, nomad: Nomad, where: Settings, timeout: str, detach: bool, out: Output
) -> None:
    """Follow a version that was registered until it serves, and print the app's URL; raises DeployError."""
    from wasmdeploy_cli.deployment.deploy import follow, served
    from wasmdeploy_cli.deployment.target import through
    from wasmdeploy_cli.job.route import reach
    from wasmdeploy_driver.duration import seconds

    if detach:
        url = through(reach(registered.job).url, where)
        _tell("registered", "Registered", registered, url, nomad, out)
        return
    outcome = follow(registered, nomad, where, seconds(timeout, "--timeout"), out)
    url = served(registered, outcome, nomad, where, out)
    if outcome.end == "canary":
        _tell("canary", "Canaries of", registered, url, nomad, out)
        out.note(
            "Requests to the app reach them too. Go on: wasmdeploy promote; go back: wasmdeploy rollback"
        )
    else:
        _tell("done", "Deployed", registered, url, nomad, out)


def _tell(event: str, word: str, registered: Registered, url: str, nomad: Nomad, out: Output) -> None:
    name, version = registered.job["ID"], registered.version
    if out.json_mode:
        out.data({"event": event, "app": name, "version": version, "url": url, "nomad_ui": nomad.ui(name)})
    else:
        out.data(f"{word} {name} {url}".rstrip())
        out.note(f"Version {version} in Nomad: {nomad.ui(name)}")
