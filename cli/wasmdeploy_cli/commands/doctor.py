"""`wasmdeploy doctor`: what is wrong, and what mends it."""

from __future__ import annotations

from typing import Annotated

import typer

from wasmdeploy_cli.commands.options import HERE, Environment, Json, ManifestPath
from wasmdeploy_cli.console import Output, manner


def command(
    path: ManifestPath = HERE,
    env: Environment = "",
    app_only: Annotated[bool, typer.Option("--app-only", help="Check the app, and ask no cluster.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Let warnings count as errors.")] = False,
    as_json: Json = False,
) -> int:
    """Check the app, the nodes and the cluster.

    Each finding says what was seen, and the command that mends it; nothing is changed. It ends with 1 where
    there is an error, with --strict where there is a warning, else with 0. With --quiet, what is well is left out.

    Example: wasmdeploy doctor --json
    """
    from dataclasses import asdict

    from wasmdeploy_cli.doctor import diagnose
    from wasmdeploy_cli.doctor.finding import worst
    from wasmdeploy_cli.job.tool import installed_version
    from wasmdeploy_cli.nomad import settings

    out = Output(as_json)
    with out.waiting("Looking"):
        found = diagnose(path, settings(), installed_version(), environment=env, app_only=app_only)
    if as_json:
        out.data([asdict(each) for each in found])
    else:
        for each in found:
            if each.severity != "ok":
                out.marked(
                    each.severity, f"{each.area}, {each.check}: {each.message}", each.evidence, each.fix
                )
            elif not manner().quiet:
                out.marked("ok", f"{each.area}, {each.check}: {each.message}", each.evidence)
    return int(worst(found) in (("error", "warning") if strict else ("error",)))
