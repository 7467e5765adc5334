"""`wasmdeploy invoke`: send one request to the app."""

from __future__ import annotations

import base64
import sys
from typing import Annotated

import typer

from wasmdeploy_cli.commands.cluster import connected
from wasmdeploy_cli.commands.options import AppName, Environment, Json, Manifest, Namespace, repeated
from wasmdeploy_cli.console import Output

_FAILED = 22  # as of `curl --fail`


def command(
    target: Annotated[str, typer.Argument(metavar="PATH", help="Path and query, like /orders?page=2.")] = "/",
    method: Annotated[
        str,
        typer.Option(
            "--method", "-X", metavar="METHOD", show_default="GET, or POST with --data", help="The method."
        ),
    ] = "",
    header: Annotated[
        list[str] | None, repeated("--header", "-H", metavar="'NAME: VALUE'", help="A header")
    ] = None,
    data: Annotated[
        str, typer.Option("--data", "-d", metavar="TEXT|@FILE|@-", help="The body.", show_default=False)
    ] = "",
    include: Annotated[bool, typer.Option("--include", "-i", help="Print status and headers too.")] = False,
    canary: Annotated[bool, typer.Option("--canary", help="Ask a canary that waits for promotion.")] = False,
    manifest: Manifest = None,
    app: AppName = "",
    namespace: Namespace = "",
    env: Environment = "",
    as_json: Json = False,
) -> int:
    """Send one request to the app and print its answer.

    It goes through Traefik where its address is known here (TRAEFIK_ADDR, or the local stack), else to a healthy
    instance. It ends with 22 where the answer's status is 400 or more.

    Example: wasmdeploy invoke /orders -H 'Accept: application/json' -d @order.json
    """
    from wasmdeploy_cli.deployment.invoke import invoke, read_call

    call = read_call(target, method or ("POST" if data else "GET"), header or [], data, canary=canary)
    wanted, where, nomad = connected(manifest, app, namespace, env)
    answer = invoke(nomad, wanted, where, call)
    out = Output(as_json)
    if as_json:
        text = answer.body.decode(errors="replace")
        binary = {"base64": base64.b64encode(answer.body).decode()} if "\ufffd" in text else {}
        out.data({"status": answer.status, "headers": list(answer.headers), "body": text, **binary})
    else:
        if include:
            out.data(
                "\n".join(
                    [
                        f"{answer.status} {answer.reason}".rstrip(),
                        *(f"{name}: {value}" for name, value in answer.headers),
                        "\n",
                    ]
                )
            )
        sys.stdout.flush()
        sys.stdout.buffer.write(answer.body)
        sys.stdout.buffer.flush()
    return _FAILED if answer.status >= 400 else 0
