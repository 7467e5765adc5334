"""`wasmdeploy dispatch`: run a command that waits for it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from wasmdeploy_cli.commands.checked import duration
from wasmdeploy_cli.commands.cluster import connected, finish_run
from wasmdeploy_cli.commands.options import (
    HERE,
    AppName,
    Detach,
    Environment,
    Json,
    ManifestPath,
    Namespace,
    repeated,
)
from wasmdeploy_cli.console import Output
from wasmdeploy_cli.errors import ConfigError


def command(
    path: ManifestPath = HERE,
    payload: Annotated[
        str,
        typer.Option(
            "--payload", metavar="FILE|-", show_default=False,
            help="What the command has as its standard input, of at most 16 KiB; - is what is piped in.",
        ),
    ] = "",
    meta: Annotated[
        list[str] | None,
        repeated("--meta", "-m", help="Value that it has in its environment, as NOMAD_META_NAME"),
    ] = None,
    app: AppName = "",
    namespace: Namespace = "",
    env: Environment = "",
    timeout: Annotated[
        str, typer.Option(metavar="TIME", callback=duration, help="How long to wait for its end.")
    ] = "10m",
    detach: Detach = False,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Run a parameterized command, or a periodic one now, and follow it to its end.

    It ends with 0 where the command has, and with 1 where it has failed.

    Example: wasmdeploy dispatch --payload order.json --meta customer=42
    """
    from wasmdeploy_cli.deployment.runs import dispatch
    from wasmdeploy_cli.manifest import pairs

    given, content = pairs(meta or [], "--meta"), _read(payload)
    wanted, _, nomad = connected(path, app, namespace, env)
    out = Output(as_json)
    run = dispatch(nomad, wanted, content, given, out)
    if detach:
        out.data({"event": "dispatched", "job": run.job} if as_json else run.job)
    else:
        finish_run(run, None, nomad, timeout, out)


def _read(payload: str) -> bytes:
    if payload == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(payload).read_bytes() if payload else b""
    except OSError as error:
        raise ConfigError(
            f"--payload {payload}: {error.strerror}", "name a file that can be read, or - for standard input"
        ) from error
