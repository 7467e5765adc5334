"""`wasmdeploy plan`: what a deploy would change."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wasmdeploy_cli.commands.checked import canaries
from wasmdeploy_cli.commands.options import (
    HERE,
    AutoPromote,
    Canary,
    ComponentDir,
    Environment,
    Json,
    ManifestPath,
    Replace,
    Variables,
)
from wasmdeploy_cli.console import Output
from wasmdeploy_cli.errors import WasmdeployError

_CHANGES, _ERROR = 1, 255  # as of `nomad job plan`


def command(
    path: ManifestPath = HERE,
    env: Environment = "",
    variable: Variables = None,
    canary: Canary = 0,
    auto_promote: AutoPromote = False,
    component_dir: ComponentDir = None,
    replace: Replace = False,
    output: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE.json", help="Keep the plan for deploy.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> int:
    """Show what a deploy would change; nothing is sent.

    It ends with 0 where nothing would change, 1 where something would (a component that a deploy would build first
    counts), 255 after an error, and 2 where the command line cannot be read.
    `wasmdeploy deploy plan.json` then does exactly this, or refuses where app or cluster have changed meanwhile.

    Example: wasmdeploy plan --out plan.json
    """
    from wasmdeploy_cli.builder import stale
    from wasmdeploy_cli.deployment import planfile
    from wasmdeploy_cli.deployment.plan import make_plan
    from wasmdeploy_cli.deployment.proposal import Options, check_options, propose
    from wasmdeploy_cli.manifest import load, read_values
    from wasmdeploy_cli.nomad import Nomad, settings

    out = Output(as_json)
    if output is not None:
        planfile.require_place(output)
    try:
        app = load(path, env)
        where = settings()
        nomad = Nomad(where, app.namespace, app.deploy.region)
        options = Options(read_values(variable or []), component_dir, canaries(canary, auto_promote), replace)
        check_options(app, where, options)
        proposal = propose(app, where, options, nomad, Output(quiet=True))
        plan = make_plan(proposal, nomad)
        if output is not None:
            planfile.write(output, plan, proposal, options, env)
    except WasmdeployError as error:
        error.exit_code = _ERROR
        raise
    old = stale(app)
    if as_json:
        out.data({**plan.as_json(), "stale": old})
    else:
        plan.tell(out)
        for name in old:
            out.data(
                f"  stale: {name} is older than its sources, a deploy would build it first: wasmdeploy build"
            )
        if output is not None:
            out.note(f"Wrote {output}: wasmdeploy deploy {output} does exactly this, or refuses")
    return _CHANGES if plan.changed or old else 0
