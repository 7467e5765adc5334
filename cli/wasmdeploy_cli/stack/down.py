"""Stops a stack so that nothing of it is left: tasks first, then the members, then what they may have left."""

from __future__ import annotations

import ctypes
import os
import time
from typing import TYPE_CHECKING

from wasmdeploy_cli.errors import StackError
from wasmdeploy_cli.stack import health, processes
from wasmdeploy_cli.stack.config import address
from wasmdeploy_cli.stack.directory import Directory, current_mounts, located, locked, opened, removed
from wasmdeploy_cli.stack.record import Record
from wasmdeploy_cli.stack.up import MARK

if TYPE_CHECKING:
    from pathlib import Path

    from wasmdeploy_cli.console import Output

_DRAIN_PATIENCE = 60.0
_STOP_GRACE = 15.0
_MNT_DETACH = 2


def down(data_dir: Path | None, purge: bool, output: Output) -> bool:
    """Stop the stack in `data_dir`, its data kept unless `purge`; False where there is none."""
    directory = opened(located(data_dir))
    if directory is None:
        return False
    with locked(directory):
        record = Record.load(directory.state) or Record()
        with output.waiting("Stopping the tasks"):
            _emptied(record, output)
        for name in reversed(record.members):
            with output.waiting(f"Stopping {name}"):
                processes.stopped(record.members[name], _STOP_GRACE)
            record = record.without(name)
            record.save(directory.state)
        _swept(directory, output)
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
        for agent, node in drained.items():
            health.drain(agent, node)
        deadline = time.monotonic() + _DRAIN_PATIENCE
        while left := [one for agent, node in drained.items() for one in health.running(agent, node)]:
            if time.monotonic() > deadline:
                raise StackError(f"{len(left)} allocations do not end: {', '.join(sorted(left))}")
            time.sleep(0.2)
    except StackError as error:
        # A broken Nomad must not keep the rest from stopping; the sweep takes what runs on.
        output.event("warning", f"The tasks did not end in good order: {error.message}")


def _swept(directory: Directory, output: Output) -> None:
    """End what outlived its agent, and unmount what is left below the stack's own directory."""
    for process in processes.marked(MARK, directory.id):
        output.event("sweep", f"Ending the leftover process {process.pid}")
        processes.stopped(process, 5.0)
    for point in current_mounts(directory.path):
        _unmounted(point)


def _unmounted(point: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.umount2(os.fsencode(point), _MNT_DETACH) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise StackError(f"{point} cannot be unmounted: {reason}", f"sudo umount {point}")
