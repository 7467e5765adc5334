"""`wasmdeploy new`: a new app from a template."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wasmdeploy_cli.commands import complete
from wasmdeploy_cli.commands.options import Json
from wasmdeploy_cli.console import Output


def command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the app; becomes a directory.")],
    template: Annotated[
        str,
        typer.Option(
            "--template",
            "-t",
            metavar="TEMPLATE",
            help="http-py, http-rust, http-go or http-js.",
            autocompletion=complete.templates,
        ),
    ] = "http-py",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="Directory to create.", show_default="./NAME"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Create an app: a manifest and a handler that answers HTTP.

    Example: wasmdeploy new hello && cd hello && wasmdeploy up --build
    """
    from wasmdeploy_cli.templates import create

    out = Output(as_json)
    directory = output or Path(name)
    files = create(template, name, directory)
    if as_json:
        out.data({"name": name, "directory": str(directory), "files": files})
        return
    out.note(f"Created {directory}/ with {', '.join(files)}")
    out.note(f"Next: cd {directory} && wasmdeploy up --build")
