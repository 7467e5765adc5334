"""`current()`: the local stack that other commands use when nothing else is configured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wasmdeploy_cli.errors import StackError
from wasmdeploy_cli.stack import processes
from wasmdeploy_cli.stack.config import address, traefik
from wasmdeploy_cli.stack.directory import Directory, located, opened
from wasmdeploy_cli.stack.record import Record
from wasmdeploy_driver.secrets import Secret


@dataclass(frozen=True, slots=True)
class StackState:
    """Where a running stack's members answer; `vault_token` is Vault's root token."""

    nomad_addr: str
    consul_addr: str
    vault_addr: str
    vault_token: Secret
    traefik_addr: str
    traefik_admin_addr: str
    traefik_config: str  # as a text
    components_dir: Path
    data_dir: Path


def current(data_dir: Path | None = None) -> StackState | None:
    """The stack in `data_dir` ($WASMDEPLOY_STACK_DIR, the default), or None where none runs."""
    directory = opened(located(data_dir))
    record = Record.load(directory.state) if directory else None
    if directory is None or record is None:
        return None
    nomad = record.members.get("nomad")
    if nomad is None or not processes.alive(nomad):
        return None
    return described(directory, record)


def described(directory: Directory, record: Record) -> StackState:
    """A stack's addresses and Vault token."""
    from wasmdeploy_cli.stack.keys import Keys

    keys = Keys.load(directory.vault_keys)
    if keys is None:
        raise StackError(f"{directory.vault_keys} is missing", "wasmdeploy stack down --purge, then up")
    return StackState(
        nomad_addr=address(record.ports, "nomad.http"),
        consul_addr=address(record.ports, "consul.http"),
        vault_addr=address(record.ports, "vault.http"),
        vault_token=keys.root_token,
        traefik_addr=address(record.ports, "traefik.web"),
        traefik_admin_addr=address(record.ports, "traefik.admin"),
        traefik_config=traefik(directory, record.ports, record.features),
        components_dir=directory.components,
        data_dir=directory.path,
    )
