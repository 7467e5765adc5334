"""`wasmdeploy secrets`: the app's secrets in Vault."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wasmdeploy_cli.commands.options import HERE, Json, ManifestPath, SecretName
from wasmdeploy_cli.console import Output


def set_(
    name: SecretName,
    path: ManifestPath = HERE,
    file: Annotated[
        Path | None, typer.Option("--file", help="Read the value from a file.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Store a secret's value.

    It is asked for on a terminal and read from standard input elsewhere, never from an argument; a last newline
    is dropped. It reaches the app with the next deploy. Example: wasmdeploy secrets set token < token.txt
    """
    from wasmdeploy_cli.deployment.secrets import read_value, store
    from wasmdeploy_cli.manifest import load
    from wasmdeploy_cli.nomad import settings

    version = store(load(path), name, read_value(name, file), settings())
    Output(as_json).event("stored", f"Stored {name}, version {version}", secret=name, version=version)


def list_(path: ManifestPath = HERE, as_json: Json = False) -> int:
    """Show which of the app's secrets Vault has.

    It ends with 1 where one is missing. Example: wasmdeploy secrets list
    """
    from wasmdeploy_cli.deployment.secrets import stored
    from wasmdeploy_cli.manifest import load
    from wasmdeploy_cli.nomad import settings

    out = Output(as_json)
    found = stored(load(path), settings())
    if as_json:
        out.data(
            [
                {"secret": each.name, "path": each.path, "field": each.field, "stored": each.there}
                for each in found
            ]
        )
    else:
        rows = [(each.name, f"{each.path}#{each.field}", "yes" if each.there else "no") for each in found]
        out.table(("SECRET", "IN VAULT AT", "STORED"), rows)
    return 0 if all(each.there for each in found) else 1
