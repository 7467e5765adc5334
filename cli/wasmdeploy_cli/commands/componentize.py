"""`wasmdeploy componentize`: a Python module into a WebAssembly component."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wasmdeploy_cli.commands.options import Json, repeated
from wasmdeploy_cli.console import Output


def command(
    module: Annotated[
        str,
        typer.Argument(metavar="MODULE", help="Python module with a function handle(request), like `app`."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The component to write.")],
    path: Annotated[
        list[Path] | None,
        repeated("--path", "-p", metavar="DIR", help="Directory to import from, in place of this one"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Turn a Python HTTP handler into a component.

    The http-py template's build command runs it; the component is one of WASI 0.2.
    Example: wasmdeploy componentize app -o hello.wasm
    """
    from wasmdeploy_cli.componentize import componentize

    componentize(module, output, path or [Path()])
    size = output.stat().st_size
    out = Output(as_json)
    if as_json:
        out.data({"component": str(output), "bytes": size})
    else:
        out.note(f"Wrote {output} ({size / 1e6:.1f} MB)")
