"""Stops a stack so that nothing of it is left: its tasks, its members, then what those may have left."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from wasmdeploy_cli.errors import StackError
from wasmdeploy_cli.stack import health, processes
from wasmdeploy_cli.stack.config import address
from wasmdeploy_cli.stack.directory import located, locked, opened, removed
from wasmdeploy_cli.stack.record import Record
from wasmdeploy_cli.stack.sweep import swept

if TYPE_CHECKING:
    from pathlib import Path

    from wasmdeploy_cli.console import Output

_DRAIN_PATIENCE = 60.0
_STOP_GRACE = 15.0
_STOPPING_ORDER = ("traefik", "client", "nomad", "vault", "consul")  # what the others depend on comes last


def down(data_dir: Path | None, purge: bool, output: Output) -> bool:
    """Stop the stack in `data_dir`, its data kept unless `purge`; False where there is none."""
    directory = opened(located(data_dir))
    if directory is None:
        return False
    with locked(directory):
        record = Record.load(directory.state) or Record()
        if record.members:
            with output.waiting("Stopping the tasks"):
                _emptied(record, output)
        for role in _STOPPING_ORDER:
            names = [name for name in record.members if name.split("-", maxsplit=1)[0] == role]
            if not names:
                continue
            with output.waiting(f"Stopping {role}"):
                processes.stopped([record.members[name] for name in names], _STOP_GRACE)
            record = record.without(*names)
            record.save(directory.state)
        swept(directory, output)
        if purge:
            removed(directory)
    return True


def _emptied(record: Record, output: Output) -> None:
    """Drain every node whose agent runs; jobs stay registered and start again with the next `up`."""
    agents = [
        address(record.ports, f"{name}.http")
        for name, process in record.members.items()
        if name.startswith("client-") and processes.alive(process)
    ]
    try:
        drained = {agent: health.own_node(agent) for agent in agents}
        for step in (
            health.close,
            health.drain,
        ):  # all are closed first, so that no task moves to another one
            for agent, node in drained.items():
                step(agent, node)
        _wait_until_empty(drained)
    except StackError as error:
        # A broken Nomad must not keep the rest from stopping; the sweep takes what runs on.
        output.event("warning", f"The tasks did not end in good order: {error.message}")


def _wait_until_empty(drained: Mapping[str, str]) -> None:
    deadline = time.monotonic() + _DRAIN_PATIENCE
    while left := [one for agent, node in drained.items() for one in health.running(agent, node)]:
        if time.monotonic() > deadline:
            raise StackError(
                f"{len(left)} allocations do not end: {', '.join(sorted(left))}", "they end with their node"
            )
        time.sleep(0.2)
