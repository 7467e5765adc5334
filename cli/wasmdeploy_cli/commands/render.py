"""`wasmdeploy render`: print the Nomad job that `deploy` would send."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from wasmdeploy_cli.console import Output
from wasmdeploy_cli.job import Artifacts, build_job
from wasmdeploy_cli.job.tool import installed_version
from wasmdeploy_cli.jobspec import render_hcl
from wasmdeploy_cli.manifest import digests, load, read_values


def command(
    path: Annotated[Path, typer.Argument(help="The manifest, or the directory that holds it.")] = Path(),
    format_: Annotated[
        Literal["hcl", "json"], typer.Option("--format", help="HCL, or JSON for the API.")
    ] = "hcl",
    component_dir: Annotated[
        str, typer.Option(help="Where the nodes have the components, as SHA256.wasm.", metavar="DIR")
    ] = "",
    variable: Annotated[
        list[str] | None,
        typer.Option(help="A variable's value (repeatable).", metavar="NAME=VALUE|NAME=@FILE"),
    ] = None,
) -> None:
    """Print the Nomad job of a built app."""
    app = load(path)
    job = build_job(
        app,
        Artifacts(digests(app), component_dir),
        values=read_values(variable or ()),
        tool_version=installed_version(),
    )
    text = render_hcl(job) if format_ == "hcl" else json.dumps({"Job": job}, indent=2, sort_keys=True)
    Output().data(text)
