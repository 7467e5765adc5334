"""`wasmdeploy render`: print the Nomad job that `deploy` would send."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import typer

from wasmdeploy_cli.commands.options import HERE, Environment, ManifestPath, Variables
from wasmdeploy_cli.console import Output


def command(
    path: ManifestPath = HERE,
    env: Environment = "",
    form: Annotated[
        Literal["hcl", "json"], typer.Option("--format", help="HCL to read, or JSON for Nomad's API.")
    ] = "hcl",
    component_dir: Annotated[
        str,
        typer.Option(
            "--component-dir",
            metavar="DIR",
            help="Where nodes have the components, as SHA256.wasm.",
            show_default="as deploy has it",
        ),
    ] = "",
    variable: Variables = None,
) -> None:
    """Print the Nomad job of a built app.

    Example: wasmdeploy render --component-dir /srv/components > app.nomad.hcl
    """
    from wasmdeploy_cli.deployment.publish import component_dir as app_dir
    from wasmdeploy_cli.job import Artifacts, build_job
    from wasmdeploy_cli.job.tool import installed_version
    from wasmdeploy_cli.jobspec import render_hcl
    from wasmdeploy_cli.manifest import digests, load, read_values
    from wasmdeploy_cli.nomad import settings

    app = load(path, env)
    if not component_dir and (shared := settings().components) is not None:
        component_dir = str(app_dir(app, shared))  # as `deploy` does
    job = build_job(
        app,
        Artifacts(digests(app), component_dir),
        values=read_values(variable or ()),
        tool_version=installed_version(),
    )
    Output().data(render_hcl(job) if form == "hcl" else json.dumps({"Job": job}, indent=2, sort_keys=True))
