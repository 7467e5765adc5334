"""`wasmdeploy scale`: run more or fewer instances."""

from __future__ import annotations

from typing import Annotated

import typer

from wasmdeploy_cli.commands.cluster import connected, finish
from wasmdeploy_cli.commands.options import (
    AppName,
    Detach,
    Environment,
    Json,
    Manifest,
    Namespace,
    Timeout,
)
from wasmdeploy_cli.console import Output
from wasmdeploy_cli.errors import ConfigError


def command(
    count: Annotated[
        str,
        typer.Argument(
            metavar="[COMPONENT=]N",
            help="Instances; `wasmdeploy stop` is for none.",
        ),
    ],
    manifest: Manifest = None,
    app: AppName = "",
    namespace: Namespace = "",
    env: Environment = "",
    timeout: Timeout = "10m",
    detach: Detach = False,
    as_json: Json = False,
) -> None:
    """Run N instances of the app, until the next deploy.

    All of an app's components run in each instance: COMPONENT=N is for an app that has only one. The manifest's
    deploy.count is what a deploy goes by.

    Example: wasmdeploy scale 3
    """
    from wasmdeploy_cli.deployment.versions import scale

    name, _, number = count.rpartition("=")
    if not (number.isascii() and number.isdigit() and int(number)) or count.startswith("="):
        raise ConfigError(f"{count!r} is no number of instances", "like 3; for none: wasmdeploy stop")
    wanted, where, nomad = connected(manifest, app, namespace, env)
    out = Output(as_json)
    registered = scale(nomad, wanted, int(number), out, component=name)
    finish(registered, nomad, where, timeout, detach, out, word="Scaled")
