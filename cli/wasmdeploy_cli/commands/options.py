"""Options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wasmdeploy_cli import console
from wasmdeploy_cli.commands import complete
from wasmdeploy_cli.errors import ConfigError

if TYPE_CHECKING:
    from wasmdeploy_cli.job import Canaries


def duration(param: typer.CallbackParam, text: str | None) -> str | None:
    """Refuse what is no duration before anything is done; raises ConfigError."""
    from wasmdeploy_driver.duration import seconds

    if text is not None:
        seconds(text, param.opts[0])
    return text


def canaries(count: int, auto_promote: bool) -> Canaries:
    """What --canary and --auto-promote mean together; raises ConfigError for the second one alone."""
    from wasmdeploy_cli.job import Canaries

    if auto_promote and not count:
        raise ConfigError("--auto-promote is for canaries", "add --canary N, or leave it out")
    return Canaries(count, auto_promote or not count)


def _filled(ctx: typer.Context, param: typer.CallbackParam, text: str) -> str:
    """Refuse an option that is given and empty: most often a variable of a script that is not set."""
    source = ctx.get_parameter_source(str(param.name))
    if not text and source is not None and source.name == "COMMANDLINE":
        raise ConfigError(f"{param.opts[0]} is empty", "give it a name, or leave it out")
    return text


def _app(ctx: typer.Context, param: typer.CallbackParam, text: str) -> str:
    """Refuse what Nomad takes for no job's name; a run of a command has more in it than an app."""
    if not text.isprintable() or " " in text:
        raise ConfigError(f"--app {text!r}: no app has such a name", "those there are: wasmdeploy list")
    return _filled(ctx, param, text)


def _namespace(ctx: typer.Context, param: typer.CallbackParam, text: str) -> str:
    from wasmdeploy_cli.manifest import grammar

    if text and (wrong := grammar.namespace(text)):
        raise ConfigError(f"--namespace: {wrong}", "give one of: nomad namespace list")
    return _filled(ctx, param, text)


def _json(value: bool) -> bool:
    """Have errors printed as JSON, too."""
    console.behave(console.manner(), json=value)
    return value


def repeated(*names: str, help: str, metavar: str = "NAME=VALUE") -> Any:
    """An option that may be given many times, each time with another value."""
    return typer.Option(*names, metavar=metavar, help=f"{help}; may be repeated.")


ManifestPath = Annotated[
    Path,
    typer.Argument(metavar="PATH", help="The manifest, or the directory it is in.", show_default="here"),
]
Json = Annotated[
    bool,
    typer.Option(
        "--json", callback=_json, is_eager=True, help="Print JSON to stdout, for programs; errors too."
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
        callback=_app,
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
        callback=_namespace,
    ),
]
OnlyNamespace = Annotated[
    str,
    typer.Option(
        "--namespace", metavar="NAME", help="Nomad namespace.", show_default="all", callback=_namespace
    ),
]
Environment = Annotated[
    str,
    typer.Option(
        "--env",
        metavar="NAME",
        help="The manifest's environment, [env.NAME].",
        show_default=False,
        callback=_filled,
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
    str, typer.Option(metavar="TIME", callback=duration, help="How long to wait for the new version.")
]
EndTimeout = Annotated[
    str, typer.Option(metavar="TIME", callback=duration, help="How long to wait for the instances to end.")
]
Detach = Annotated[bool, typer.Option("--detach", help="Do not wait: end once Nomad has the job.")]
HERE = Path()
