"""`wasmdeploy driver`: the Nomad task driver on a client of your own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wasmdeploy_cli.commands.options import Json
from wasmdeploy_cli.console import Output
from wasmdeploy_cli.errors import ConfigError


def install(
    plugin_dir: Annotated[Path, typer.Option(metavar="DIR", help="The Nomad agent's plugin_dir.")],
    as_json: Json = False,
) -> None:
    """Write the driver's executable where Nomad looks for it.

    Example: wasmdeploy driver install --plugin-dir /opt/nomad/plugins
    """
    from wasmdeploy_cli import driver_install

    output = Output(as_json)
    installed = driver_install.installed(plugin_dir.expanduser().absolute())
    if as_json:
        output.data({"path": str(installed.path), "changed": installed.changed})
        return
    output.data(str(installed.path))
    output.note("Installed." if installed.changed else "It was installed already.")
    output.note(
        f'Next: set plugin_dir = "{installed.path.parent}" in the agent\'s configuration, add the block\n'
        "that `wasmdeploy driver config` prints, and restart the agent."
    )


def config(
    data_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where the driver keeps its tasks' state and compiled guests.",
            show_default="its own default",
        ),
    ] = None,
    allow_path: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR",
            help="A directory outside the task's own that guests may come from; may be repeated.",
        ),
    ] = None,
    vault_addr: Annotated[
        str, typer.Option(metavar="URL", help="Vault's address, for apps with secrets.", envvar="VAULT_ADDR")
    ] = "",
) -> None:
    """Print the `plugin` block for Nomad's configuration.

    Example: wasmdeploy driver config --allow-path /srv/components >> /etc/nomad.d/client.hcl
    """
    from wasmdeploy_cli import driver_install
    from wasmdeploy_cli.nomad.settings import is_address

    if vault_addr and not is_address(vault_addr):
        raise ConfigError(
            f"--vault-addr {vault_addr}: no http:// or https:// address", "like https://HOST:8200"
        )
    allowed = [path.expanduser().absolute() for path in allow_path or []]
    where = data_dir.expanduser().absolute() if data_dir else None
    Output().data(driver_install.plugin_block(where, allowed, vault_addr))
