"""What a command on a deployed app begins with: which job, on which cluster; and how its versions are followed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wasmdeploy_cli.commands.checked import HERE
from wasmdeploy_cli.console import Output
from wasmdeploy_cli.errors import ConfigError

if TYPE_CHECKING:
    from wasmdeploy_cli.deployment.deploy import Registered
    from wasmdeploy_cli.deployment.runs import Run
    from wasmdeploy_cli.deployment.target import Target
    from wasmdeploy_cli.nomad import Nomad, Settings


def connected(
    path: Path | None, app: str, namespace: str, environment: str = ""
) -> tuple[Target, Settings, Nomad]:
    """The job that a command means, the cluster's settings, and Nomad; raises ConfigError."""
    if app and path is not None and path is not HERE:
        raise ConfigError(f"--app {app} and the manifest at {path} both name an app", "give one of them")
    if app and environment:
        raise ConfigError(
            f"--env {environment} is of a manifest, and --app {app} reads none",
            "leave one of them out; --namespace says where the app is",
        )
    from wasmdeploy_cli.deployment.target import target
    from wasmdeploy_cli.nomad import Nomad, settings

    wanted = target(path or Path(), app, namespace, environment)
    where = settings()
    return wanted, where, Nomad(where, wanted.namespace, wanted.region)


def finish(
    registered: Registered,
    nomad: Nomad,
    where: Settings,
    timeout: str,
    detach: bool,
    out: Output,
    *,
    word: str = "Deployed",
) -> None:
    """Follow a version that was registered until it serves, and print the app's URL; raises DeployError.

    `word` tells what is done then. A command is followed to its end.
    """
    from wasmdeploy_cli.deployment.deploy import follow, served
    from wasmdeploy_cli.deployment.target import through
    from wasmdeploy_cli.job.route import reach
    from wasmdeploy_driver.duration import seconds

    if registered.job["Type"] != "service":
        _finish_command(registered, nomad, timeout, detach, out)
        return
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
        _tell("done", word, registered, url, nomad, out)


def _finish_command(registered: Registered, nomad: Nomad, timeout: str, detach: bool, out: Output) -> None:
    from wasmdeploy_cli.deployment.runs import Run

    name = registered.job["ID"]
    if registered.job.get("Periodic"):
        _tell("registered", "Registered", registered, "", nomad, out)
        out.note(f"It runs at {', '.join(registered.job['Periodic']['Specs'])}; now: wasmdeploy dispatch")
    elif registered.job.get("ParameterizedJob"):
        _tell("registered", "Registered", registered, "", nomad, out)
        out.note("It runs with: wasmdeploy dispatch")
    elif not registered.new:
        _tell("unchanged", "Unchanged", registered, "", nomad, out)
        out.note("Nomad runs a version once; run it anew: wasmdeploy restart")
    elif detach:
        _tell("registered", "Registered", registered, "", nomad, out)
    else:
        finish_run(Run(name, registered.evaluation), registered.version, nomad, timeout, out)


def finish_run(run: Run, version: int | None, nomad: Nomad, timeout: str, out: Output) -> None:
    """Follow a run of a command to its end, and print how it ended; raises DeployError where it has failed."""
    from wasmdeploy_cli.deployment.runs import follow, require_success
    from wasmdeploy_driver.duration import seconds

    ends = follow(run, version, nomad, seconds(timeout, "--timeout"), out)
    require_success(run, ends)
    if out.json_mode:
        out.data({"event": "done", "app": run.job, "exit_codes": [each.exit_code for each in ends]})
    else:
        out.data(f"{run.job} ended with {', '.join(sorted({str(each) for each in ends}))}")
        out.note(f"What it printed: wasmdeploy logs --app {run.job}")


def _tell(event: str, word: str, registered: Registered, url: str, nomad: Nomad, out: Output) -> None:
    name, version = registered.job["ID"], registered.version
    if out.json_mode:
        out.data({"event": event, "app": name, "version": version, "url": url, "nomad_ui": nomad.ui(name)})
    else:
        out.data(f"{word} {name} {url}".rstrip())
        out.note(f"Version {version} in Nomad: {nomad.ui(name)}")
