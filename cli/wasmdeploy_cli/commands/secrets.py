"""`wasmdeploy secrets`: the app's secrets in Vault."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wasmdeploy_cli.commands.options import HERE, Environment, Json, ManifestPath, SecretName
from wasmdeploy_cli.console import Output, harmless

if TYPE_CHECKING:
    from wasmdeploy_cli.secrets.change import Written
    from wasmdeploy_cli.vault import Kv, Version


def set_(
    name: SecretName,
    path: ManifestPath = HERE,
    env: Environment = "",
    file: Annotated[
        Path | None,
        typer.Option("--file", metavar="FILE", help="Read the value from a file.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Store a secret's value.

    It is asked for on a terminal and read from standard input elsewhere, never from an argument; a last newline
    is dropped. Vault keeps the value before. It reaches the app with the next deploy.

    Example: wasmdeploy secrets set token < token.txt
    """
    from wasmdeploy_cli.manifest import load
    from wasmdeploy_cli.secrets import of_name
    from wasmdeploy_cli.secrets.change import change
    from wasmdeploy_cli.secrets.values import read_value

    place = of_name(load(path, env), name)
    kv = _kv()
    (written,) = change(kv, {place: read_value(name, file)})
    _tell(Output(as_json), written, "stored", f"Stored {name}", f"{name} has this value already", (name,))


def get(
    name: SecretName,
    path: ManifestPath = HERE,
    env: Environment = "",
    reveal: Annotated[bool, typer.Option("--reveal", help="Show the value on a terminal, too.")] = False,
    version: Annotated[
        int, typer.Option("--version", min=0, help="An older version of its path; 0 for the newest.")
    ] = 0,
    as_json: Json = False,
) -> None:
    """Print a secret's value to a pipe or a file.

    On a terminal, where it would stay on the screen, it is shown with --reveal only. Nothing is added to it.

    Example: wasmdeploy secrets get token | wasmdeploy secrets set token other-app
    """
    from wasmdeploy_cli.errors import ConfigError, SecretError
    from wasmdeploy_cli.manifest import load
    from wasmdeploy_cli.secrets import of_name

    place = of_name(load(path, env), name)
    if sys.stdout.isatty() and not reveal:
        raise ConfigError(
            f"{name} would be shown on this terminal", "add --reveal, or send it to a pipe or a file"
        )
    found = _kv().read(place.path, version)
    value = found.secret(place.field)
    if value is None:
        of = f" version {version}" if version else ""
        raise SecretError(
            f"no such secret: {name} ({place}){of}",
            f"store it: wasmdeploy secrets set {name}"
            if not version
            else "without --version it is the newest",
        )
    out = Output(as_json)
    if as_json:
        out.data({"secret": name, "version": found.number, "value": value.reveal()})
    elif sys.stdout.isatty():
        out.data(harmless(value.reveal()))
    else:
        sys.stdout.write(value.reveal())


def list_(path: ManifestPath = HERE, env: Environment = "", as_json: Json = False) -> int:
    """Show which of the app's secrets Vault has.

    It ends with 1 where one is missing. Example: wasmdeploy secrets list
    """
    from wasmdeploy_cli.manifest import load
    from wasmdeploy_cli.secrets import of_app

    out = Output(as_json)
    places = of_app(load(path, env))
    stored = _stored(_kv(), [each.path for each in places if not each.dynamic]) if places else {}
    there = {each.name: each.dynamic or stored[each.path].secret(each.field) is not None for each in places}
    if as_json:
        out.data(
            [
                {"secret": each.name, "path": each.path, "field": each.field, "stored": there[each.name],
                 "version": stored[each.path].number if each.path in stored else None}
                for each in places
            ]
        )  # fmt: skip
    else:
        rows = [
            (each.name, each, "by Vault" if each.dynamic else f"version {stored[each.path].number}"
             if there[each.name] else "no")
            for each in places
        ]  # fmt: skip
        out.table(("SECRET", "IN VAULT AT", "STORED"), rows)
    return 0 if all(there.values()) else 1


def unset(name: SecretName, path: ManifestPath = HERE, env: Environment = "", as_json: Json = False) -> None:
    """Remove a secret's value.

    Vault keeps the version before: `secrets get NAME --version N` still prints it.

    Example: wasmdeploy secrets unset token
    """
    from wasmdeploy_cli.manifest import load
    from wasmdeploy_cli.secrets import of_name
    from wasmdeploy_cli.secrets.change import change

    (written,) = change(_kv(), {of_name(load(path, env), name): None})
    _tell(Output(as_json), written, "removed", f"Removed {name}", f"{name} had no value", (name,))


def import_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="NAME=value lines, or a JSON object; - for standard input.")
    ],
    path: ManifestPath = HERE,
    env: Environment = "",
    as_json: Json = False,
) -> None:
    """Store many secrets from a file.

    Every name must be a secret of the manifest; nothing is stored where one is not. Secrets of one path become
    one new version together. `secrets diff --file FILE` shows first what would change.

    Example: wasmdeploy secrets import production.env
    """
    from wasmdeploy_cli.manifest import load
    from wasmdeploy_cli.secrets import of_name
    from wasmdeploy_cli.secrets.change import change
    from wasmdeploy_cli.secrets.values import read_file

    app = load(path, env)
    wanted = {of_name(app, name): value for name, value in read_file(file).items()}
    out = Output(as_json)
    for written in change(_kv(), wanted):
        names = ", ".join(written.changed)
        _tell(
            out,
            written,
            "stored",
            f"Stored {names}",
            f"{written.path} has these values already",
            written.changed,
        )


def diff(
    path: ManifestPath = HERE,
    env: Environment = "",
    file: Annotated[
        Path | None,
        typer.Option(
            "--file",
            metavar="FILE",
            help="Compare Vault with this file, instead of with what runs.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> int:
    """Show which secrets differ from what runs, or from a file.

    Values are compared, never shown. It ends with 1 where something differs.

    Example: wasmdeploy secrets diff --file production.env
    """
    from dataclasses import asdict

    from wasmdeploy_cli.manifest import load
    from wasmdeploy_cli.nomad import Nomad, settings
    from wasmdeploy_cli.secrets import compare, of_app, of_name
    from wasmdeploy_cli.secrets.values import read_file

    app = load(path, env)
    places = of_app(app)
    if file is not None:
        values = read_file(file)
        wanted = [of_name(app, name) for name in values]
        found = compare.with_values(wanted, _stored(_kv(), [each.path for each in wanted]), values)
    else:
        job = Nomad(settings(), app.namespace, app.deploy.region).job(app.name)
        revision = (job.get("Meta") or {}).get("revision", "") if job and not job.get("Stop") else None
        stored = _stored(_kv(), [each.path for each in places if not each.dynamic])
        found = compare.with_running(places, stored, revision)
    out = Output(as_json)
    if as_json:
        out.data([asdict(each) for each in found])
    else:
        out.table(
            ("SECRET", "STATE", "IN VAULT AT", ""), [(e.name, e.state, e.place, e.detail) for e in found]
        )
    return 0 if all(each.state == "same" for each in found) else 1


def _kv() -> Kv:
    from wasmdeploy_cli.nomad import settings
    from wasmdeploy_cli.vault import Kv, Vault

    return Kv(Vault(settings()))


def _stored(kv: Kv, paths: list[str]) -> dict[str, Version]:
    return {path: kv.read(path) for path in dict.fromkeys(paths)}


def _tell(out: Output, written: Written, event: str, done: str, nothing: str, names: tuple[str, ...]) -> None:
    if written.changed:
        text = f"{done}, version {written.version} of {written.path}"
    else:
        event, text = "unchanged", f"Nothing changed: {nothing} (version {written.version})"
    secret = {"secret": names[0]} if len(names) == 1 else {}
    out.event(event, text, **secret, secrets=list(names), path=written.path, version=written.version)
