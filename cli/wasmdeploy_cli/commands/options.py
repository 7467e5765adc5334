"""Options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wasmdeploy_cli.commands import complete


def duration(text: str) -> str:
    """Refuse what is no duration before anything is done; raises ConfigError."""
    from wasmdeploy_driver.duration import seconds

    seconds(text, "--timeout")
    return text


ManifestPath = Annotated[
    Path,
    typer.Argument(metavar="PATH", help="The manifest, or the directory it is in.", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON to stdout, for programs.")]
Variables = Annotated[
    list[str] | None,
    typer.Option(
        "--variable",
        "--var",
        metavar="K=V|K=@FILE",
        help="Value of a variable of the manifest; may be repeated.",
    ),
]
AppName = Annotated[
    str,
    typer.Option(
        "--app",
        help="Name of the app, instead of its manifest.",
        show_default=False,
        autocompletion=complete.apps,
    ),
]
ComponentName = Annotated[
    str,
    typer.Option(
        "--component", help="Only this component.", show_default=False, autocompletion=complete.components
    ),
]
SecretName = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of the secret variable.", autocompletion=complete.secrets)
]
Namespace = Annotated[
    str, typer.Option(help="Nomad namespace, instead of the manifest's.", show_default=False)
]
Environment = Annotated[
    str,
    typer.Option("--env", metavar="NAME", help="The manifest's environment, [env.NAME].", show_default=False),
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
Replace = Annotated[
    bool, typer.Option("--replace", help="Replace a job of the app's name that wasmdeploy has not made.")
]
ComponentDir = Annotated[
    Path | None,
    typer.Option(
        help="Directory that the nodes share and their drivers allow; components are copied to it.",
        show_default=False,
    ),
]
Timeout = Annotated[
    str, typer.Option(callback=duration, help="How long to wait for the new version, like 10m.")
]
EndTimeout = Annotated[
    str, typer.Option(callback=duration, help="How long to wait for the instances to end, like 2m.")
]
Detach = Annotated[bool, typer.Option("--detach", help="Do not wait: end once Nomad has the job.")]
HERE = Path()
