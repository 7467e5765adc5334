"""`wasmdeploy deploy`: bring the app to the cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wasmdeploy_cli.commands.checked import canaries
from wasmdeploy_cli.commands.options import (
    HERE,
    AutoPromote,
    Canary,
    ComponentDir,
    Detach,
    Environment,
    Json,
    Replace,
    Timeout,
    Variables,
)
from wasmdeploy_cli.console import Output

if TYPE_CHECKING:
    from wasmdeploy_cli.deployment.deploy import Registered
    from wasmdeploy_cli.deployment.proposal import Proposal
    from wasmdeploy_cli.nomad import Nomad, Settings

_INTERRUPTED = 130


def command(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="PATH",
            help="The manifest, the directory it is in, or a plan.json of `plan --out`.",
            show_default="here",
        ),
    ] = HERE,
    env: Environment = "",
    variable: Variables = None,
    build: Annotated[
        bool | None,
        typer.Option(
            "--build/--no-build", "-b", help="Build the app first, or never.", show_default="where stale"
        ),
    ] = None,
    canary: Canary = 0,
    auto_promote: AutoPromote = False,
    component_dir: ComponentDir = None,
    replace: Replace = False,
    timeout: Timeout = "10m",
    detach: Detach = False,
    as_json: Json = False,
) -> int:  # fmt: skip
    """Bring the app to the cluster, and wait until it serves, or has ended.

    The cluster is that of NOMAD_ADDR, or the local stack. Everything is checked before anything is sent; until the
    new version is healthy, and where it does not become so, the old one serves. A command runs at once and is followed
    to its end, unless it is periodic or parameterized. It ends with 0 where the version serves or the command has
    succeeded, 1 where not (2: the manifest or an option is wrong), 130 after Ctrl-C.

    Example: wasmdeploy deploy --env production --canary 1
    """
    from wasmdeploy_cli.builder import build as build_app
    from wasmdeploy_cli.builder import stale
    from wasmdeploy_cli.deployment import planfile
    from wasmdeploy_cli.deployment.proposal import Options, check_cluster, check_options, propose
    from wasmdeploy_cli.manifest import load, read_values
    from wasmdeploy_cli.nomad import Nomad, settings

    out = Output(as_json)
    where = settings()
    planned = planfile.read(path) if planfile.is_plan(path) else None
    options = Options(read_values(variable or []), component_dir, canaries(canary, auto_promote), replace)
    if planned:
        planfile.require_alone(options, env)
        options, build = planned.options, False
    app = load(planned.manifest if planned else path, planned.environment if planned else env)
    check_options(app, where, options)
    nomad = Nomad(where, app.namespace, app.deploy.region)
    if build or (build is None and stale(app)):
        check_cluster(
            app, where, options, nomad, Output(quiet=True)
        )  # what is wrong there is said before a long build
        build_app(app, out)
    proposal = propose(app, where, options, nomad, out)
    if planned:
        planfile.require_same(planned, proposal)
    return _deploy(proposal, nomad, where, timeout, detach, out)


def _deploy(
    proposal: Proposal, nomad: Nomad, where: Settings, timeout: str, detach: bool, out: Output
) -> int:
    from wasmdeploy_cli.commands.cluster import finish
    from wasmdeploy_cli.deployment.deploy import forget_components, submit

    registered = submit(proposal, nomad, out)
    try:
        finish(registered, nomad, where, timeout, detach, out)
    except KeyboardInterrupt:
        _interrupted(registered, nomad, out)
        return _INTERRUPTED
    forget_components(proposal, nomad)
    return 0


def _interrupted(registered: Registered, nomad: Nomad, out: Output) -> None:
    """Ask what to do with a version that is on its way; without a terminal it goes on."""
    from wasmdeploy_cli.deployment.target import Target
    from wasmdeploy_cli.deployment.versions import undo

    name = registered.job["ID"]
    question = f"Version {registered.version} of {name} is on its way. Leave it running, or roll back?"
    if out.choice(question, ("leave", "rollback"), "leave") == "rollback":
        undo(nomad, Target(name, nomad.namespace), registered.version, out)
        out.event("rolled-back", f"Version {registered.version} of {name} is taken back")
    else:
        out.event("left", "It goes on without us: wasmdeploy status --watch; or: wasmdeploy rollback")
