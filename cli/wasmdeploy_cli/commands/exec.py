"""`wasmdeploy exec`: the app's console."""

from __future__ import annotations

from typing import Annotated

import typer

from wasmdeploy_cli.commands.cluster import connected
from wasmdeploy_cli.commands.options import AppName, Environment, Json, Manifest, Namespace
from wasmdeploy_cli.console import Output
from wasmdeploy_cli.errors import ConfigError


def command(
    line: Annotated[
        list[str] | None,
        typer.Argument(metavar="LINE", help="What to run; without it, the console until it is left."),
    ] = None,
    instance: Annotated[
        str,
        typer.Option("--instance", metavar="ID", help="Which one, as in `wasmdeploy status`.",
                     show_default="the newest"),
    ] = "",
    manifest: Manifest = None,
    app: AppName = "",
    namespace: Namespace = "",
    env: Environment = "",
    as_json: Json = False,
) -> int:  # fmt: skip
    """Run a line in the console of one of the app's instances.

    It is the console of `nomad alloc exec`: `exec help` tells what it knows, like routes, stats, invoke, ls and cat.
    Options of the line's own stand behind its first word. Standard input is passed on, and the exit code is the
    line's. On a terminal without a line the console stays open until `exit`.

    Example: wasmdeploy exec routes; wasmdeploy exec --app shop -- invoke -i GET /
    """
    from wasmdeploy_cli.deployment import exec as console
    from wasmdeploy_cli.deployment.status import require_job

    wanted, where, nomad = connected(manifest, app, namespace, env)
    if as_json and not line:
        raise ConfigError("--json wants a line to run", "like: wasmdeploy exec --json routes")
    require_job(nomad, wanted)
    chosen = console.instance(nomad, wanted, instance)
    if not as_json:
        return console.converse(where, wanted.namespace, chosen, line or ())
    said = console.collect(where, wanted.namespace, chosen, line or ())
    texts = {
        name: text.decode(errors="replace")
        for name, text in (("stdout", said.stdout), ("stderr", said.stderr))
    }
    Output(as_json).data({"instance": chosen.allocation, **texts, "exit_code": said.code})
    return said.code
