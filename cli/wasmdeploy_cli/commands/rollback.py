"""`wasmdeploy rollback`: go back to a version that was healthy."""

from __future__ import annotations

from typing import Annotated

import typer

from wasmdeploy_cli.commands import complete
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


def command(
    version: Annotated[
        int | None,
        typer.Argument(
            metavar="VERSION",
            min=0,
            help="A number of `wasmdeploy history`.",
            show_default="the newest other one that was healthy",
            autocompletion=complete.versions,
        ),
    ] = None,
    manifest: Manifest = None,
    app: AppName = "",
    namespace: Namespace = "",
    env: Environment = "",
    timeout: Timeout = "10m",
    detach: Detach = False,
    as_json: Json = False,
) -> None:
    """Go back to an older version, without a gap.

    It is registered as a new version, with the variables it had and as many instances as there are now; the present
    ones stop once it serves. A second rollback goes forward again. A deploy that is not promoted yet is taken back.
    Secrets are those that Vault has now.

    Example: wasmdeploy rollback
    """
    from wasmdeploy_cli.deployment.versions import rollback

    wanted, where, nomad = connected(manifest, app, namespace, env)
    out = Output(as_json)
    registered = rollback(nomad, wanted, version, out)
    if registered is None:
        out.event("rolled-back", f"The deploy of {wanted.name} is taken back: the version before serves")
    else:
        finish(registered, nomad, where, timeout, detach, out, word="Rolled back")
