"""`wasmdeploy up`: serve the app on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from wasmdeploy_cli.commands.options import HERE, Environment, Json, ManifestPath, Variables, repeated
from wasmdeploy_cli.console import Output
from wasmdeploy_cli.errors import ConfigError


def command(
    path: ManifestPath = HERE,
    listen: Annotated[
        str,
        typer.Option("--listen", metavar="HOST:PORT", help="Address to serve on; port 0 picks a free one."),
    ] = "127.0.0.1:3000",
    env: Environment = "",
    guest_env: Annotated[
        list[str] | None, repeated("--guest-env", "-e", help="Environment variable of all components")
    ] = None,
    variable: Variables = None,
    volume: Annotated[
        list[str] | None,
        repeated("--volume", metavar="NAME=DIR", help="Directory in place of a volume of the manifest"),
    ] = None,
    build: Annotated[bool, typer.Option("--build", "-b", help="Build the app first.")] = False,
    as_json: Json = False,
) -> None:
    """Serve the app on this machine, until Ctrl-C.

    A secret's value comes from --variable, or from Vault where VAULT_ADDR or a local stack names one.
    Example: wasmdeploy up --build --listen 127.0.0.1:0 --variable greeting=Hello
    """
    from wasmdeploy_cli.builder import build as build_app
    from wasmdeploy_cli.builder import stale
    from wasmdeploy_cli.job import check_values
    from wasmdeploy_cli.local import Options, address, bound, serve, volumes_here
    from wasmdeploy_cli.manifest import load, pairs, read_values

    out = Output(as_json)
    app = load(path, env)
    if app.command:
        source = app.source(app.command.component)
        raise ConfigError(f"{app.name} is a command: it serves nothing", f"run it: wasmdeploy run {source}")
    options = Options(
        *address(listen),
        pairs(guest_env or [], "--guest-env"),
        read_values(variable or []),
        pairs(volume or [], "--volume"),
    )
    # What is wrong or missing is said before a long build.
    check_values(app, {name: value for name, value in options.values.items() if name not in app.secrets})
    volumes_here(app, options.volumes)
    listener = bound(options.host, options.port)
    if build:
        build_app(app, out)
    else:
        for name in stale(app):
            if app.source(name).is_file():  # a missing one is an error of its own
                out.note(
                    f"{name} is older than its sources, and served as it is; to build it: wasmdeploy up --build"
                )
    serve(app, options, out, listener)
