"""Options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from wasmdeploy_cli.commands import checked, complete


def repeated(*names: str, help: str, metavar: str = "NAME=VALUE") -> Any:
    """An option that may be given many times, each time with another value."""
    return typer.Option(*names, metavar=metavar, help=f"{help}; may be repeated.")


ManifestPath = Annotated[
    Path,
    typer.Argument(
        metavar="PATH",
        help="The manifest, or the directory it is in.",
        show_default="here",
        callback=checked.manifest,
    ),
]
Json = Annotated[
    bool,
    typer.Option(
        "--json", callback=checked.json, is_eager=True, help="Print JSON to stdout, for programs; errors too."
    ),
]
Variables = Annotated[
    list[str] | None,
    repeated(
        "--variable", "--var", metavar="NAME=VALUE|NAME=@FILE", help="Value of a variable of the manifest"
    ),
]
AppName = Annotated[
    str,
    typer.Option(
        "--app",
        metavar="NAME",
        help="Name of the app, instead of its manifest.",
        show_default=False,
        callback=checked.app_name,
        autocompletion=complete.apps,
    ),
]
ComponentName = Annotated[
    str,
    typer.Option(
        "--component",
        metavar="NAME",
        help="Only this component.",
        show_default=False,
        autocompletion=complete.components,
    ),
]
SecretName = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of the secret variable.", autocompletion=complete.secrets)
]
Namespace = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Nomad namespace, instead of the manifest's.",
        show_default=False,
        callback=checked.namespace,
    ),
]
OnlyNamespace = Annotated[
    str,
    typer.Option(
        "--namespace", metavar="NAME", help="Nomad namespace.", show_default="all", callback=checked.namespace
    ),
]
Environment = Annotated[
    str,
    typer.Option(
        "--env",
        metavar="NAME",
        help="The manifest's environment, [env.NAME].",
        show_default=False,
        callback=checked.filled,
    ),
]
Manifest = Annotated[
    Path | None,
    typer.Option(
        "--manifest",
        metavar="PATH",
        help="The manifest, or the directory it is in.",
        show_default="here",
    ),
]
Canary = Annotated[
    int,
    typer.Option(
        "--canary", min=0, metavar="N", show_default=False,
        help="Start N instances beside the old version, and wait for `wasmdeploy promote`.",
    ),
]  # fmt: skip
AutoPromote = Annotated[
    bool, typer.Option("--auto-promote", help="With --canary: promote by itself once they are healthy.")
]
Replace = Annotated[
    bool, typer.Option("--replace", help="Replace a job of the app's name that wasmdeploy has not made.")
]
ComponentDir = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Directory that the nodes share and their drivers allow; components are copied to it.",
        show_default="WASMDEPLOY_COMPONENT_DIR, or the local stack's",
    ),
]
Timeout = Annotated[
    str, typer.Option(metavar="TIME", callback=checked.duration, help="How long to wait for the new version.")
]
EndTimeout = Annotated[
    str,
    typer.Option(
        metavar="TIME", callback=checked.duration, help="How long to wait for the instances to end."
    ),
]
Detach = Annotated[bool, typer.Option("--detach", help="Do not wait: end once Nomad has the job.")]
HERE = checked.HERE
