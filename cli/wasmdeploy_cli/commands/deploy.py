"""`wasmdeploy deploy`: bring the app to the cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wasmdeploy_cli.commands.options import HERE, Json, ManifestPath, Variables
from wasmdeploy_cli.console import Output


def command(
    path: ManifestPath = HERE,
    variable: Variables = None,
    build: Annotated[bool, typer.Option("--build", "-b", help="Build the app first.")] = False,
    component_dir: Annotated[
        Path | None,
        typer.Option(
            help="Directory that the nodes share and their drivers allow; components are copied to it."
        ),
    ] = None,
    timeout: Annotated[str, typer.Option(help="How long to wait for the new version, like 10m.")] = "10m",
    detach: Annotated[
        bool, typer.Option("--detach", help="Do not wait: end once Nomad has the job.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Bring the app to the cluster, and wait until it serves.

    The cluster is that of NOMAD_ADDR, or the local stack. Everything is checked before anything is sent.
    Example: wasmdeploy deploy --build
    """
    from wasmdeploy_cli.builder import build as build_app
    from wasmdeploy_cli.deployment.deploy import Options, deploy
    from wasmdeploy_cli.manifest import load, read_values
    from wasmdeploy_cli.nomad import settings
    from wasmdeploy_driver.duration import seconds

    out = Output(as_json)
    app = load(path)
    wait = 0.0 if detach else seconds(timeout, "--timeout")
    if build:
        build_app(app, out)
    url = deploy(app, settings(), Options(read_values(variable or []), component_dir, wait), out)
    done = "Registered" if detach else "Deployed"
    out.data(
        {"event": "done", "app": app.name, "url": url} if as_json else f"{done} {app.name} {url}".rstrip()
    )
