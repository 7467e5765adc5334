"""What options may be: the rest is refused, as a ConfigError, before anything is done."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from wasmdeploy_cli import console
from wasmdeploy_cli.errors import ConfigError

if TYPE_CHECKING:
    from wasmdeploy_cli.job import Canaries

HERE = Path()


def duration(param: typer.CallbackParam, text: str | None) -> str | None:
    """Refuse what is no duration before anything is done; raises ConfigError."""
    from wasmdeploy_driver.duration import seconds

    if text is not None:
        try:
            seconds(text, param.opts[0])
        except ConfigError as error:
            raise ConfigError(error.message, "write it as 30s, 10m or 1h30m") from None
    return text


def canaries(count: int, auto_promote: bool) -> Canaries:
    """What --canary and --auto-promote mean together; raises ConfigError for the second one alone."""
    from wasmdeploy_cli.job import Canaries

    if auto_promote and not count:
        raise ConfigError("--auto-promote is for canaries", "add --canary N, or leave it out")
    return Canaries(count, auto_promote or not count)


def filled(ctx: typer.Context, param: typer.CallbackParam, text: str) -> str:
    """Refuse an option that is given and empty: most often a variable of a script that is not set."""
    source = ctx.get_parameter_source(str(param.name))
    if not text and source is not None and source.name == "COMMANDLINE":
        raise ConfigError(f"{param.opts[0]} is empty", "give it a name, or leave it out")
    return text


def manifest(ctx: typer.Context, param: typer.CallbackParam, path: Path) -> Path:
    """HERE itself where no path is given, so that a `.` that is can be told from it."""
    source = ctx.get_parameter_source(str(param.name))
    return path if source is not None and source.name == "COMMANDLINE" else HERE


def app_name(ctx: typer.Context, param: typer.CallbackParam, text: str) -> str:
    """Refuse what Nomad takes for no job's name; a run of a command has more in it than an app."""
    if not text.isprintable() or " " in text:
        raise ConfigError(f"--app {text!r}: no app has such a name", "those there are: wasmdeploy list")
    return filled(ctx, param, text)


def namespace(ctx: typer.Context, param: typer.CallbackParam, text: str) -> str:
    """Refuse what no namespace of an app's is called."""
    from wasmdeploy_cli.manifest import grammar

    if text and (wrong := grammar.namespace(text)):
        raise ConfigError(f"--namespace: {wrong}", "give one of: nomad namespace list")
    return filled(ctx, param, text)


def json(value: bool) -> bool:
    """Have errors printed as JSON, too."""
    console.behave(console.manner(), json=value)
    return value
