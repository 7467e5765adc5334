"""`wasmdeploy run`: run one WebAssembly program."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wasmdeploy_cli.commands.options import repeated


def command(
    module: Annotated[
        Path, typer.Argument(metavar="MODULE", help="A WASI preview 1 module, or a wasi:cli/run component.")
    ],
    args: Annotated[
        list[str] | None,
        typer.Argument(metavar="ARGS", help="Arguments of the guest, passed on unchanged."),
    ] = None,
    env: Annotated[
        list[str] | None, repeated("--env", "-e", help="Environment variable of the guest")
    ] = None,
    dirs: Annotated[
        list[str] | None,
        repeated("--dir", metavar="HOST::GUEST", help="Directory that the guest may open"),
    ] = None,
    allow: Annotated[
        list[str] | None,
        repeated(
            "--allow",
            metavar="SCHEME://HOST:PORT",
            help="What the guest's sockets may reach, such as tcp://db.example.com:5432",
        ),
    ] = None,
) -> int:
    """Run a WebAssembly program once.

    It has this terminal's input and output, and its exit code is this command's. A trap ends with 134 and
    wasm's backtrace. Example: wasmdeploy run --dir .::/ tool.wasm --flag file.txt
    """
    from wasmdeploy_cli.local import run_once
    from wasmdeploy_cli.manifest import pairs

    return run_once(
        module, tuple(args or ()), pairs(env or [], "--env"), tuple(dirs or ()), tuple(allow or ())
    )
