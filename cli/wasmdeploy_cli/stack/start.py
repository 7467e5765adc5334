"""Starts one member and waits until it works; takes back a start that failed."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from wasmdeploy_cli.errors import StackError
from wasmdeploy_cli.stack import health, processes
from wasmdeploy_cli.stack.config import address
from wasmdeploy_cli.stack.directory import Directory
from wasmdeploy_cli.stack.keys import Keys
from wasmdeploy_cli.stack.members import Member, written
from wasmdeploy_cli.stack.record import Record
from wasmdeploy_cli.stack.sweep import MARK, swept
from wasmdeploy_cli.stack.vault import Vault

if TYPE_CHECKING:
    from wasmdeploy_cli.console import Output

_POLL = 0.1
_STOP_GRACE = 10.0
_PASSED_ON = frozenset(
    {"PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR"}
)


def started(
    directory: Directory, record: Record, member: Member, binaries: Mapping[str, Path], output: Output
) -> Record:
    """Start a member unless it runs, wait until it works, and return the record with it."""
    begun = time.monotonic()
    process = record.members.get(member.name)
    if process is not None:
        _working(directory, record, member, process)
        return record
    with output.waiting(f"Starting {member.name}"):
        written(directory, member)
        argv = [str(binaries[member.program]), *member.arguments]
        with _interrupts_held():
            process = processes.spawned(argv, directory.log(member.name), _environment(directory))
            record = record.with_member(member.name, process)
            record.save(directory.state)
        _working(directory, record, member, process)
        if member.name.startswith("client-"):
            health.refill(member.address, health.own_node(member.address))
    seconds = time.monotonic() - begun
    output.event("started", f"{member.name} works at {member.address} ({seconds:.1f} s)", member=member.name)
    return record


def _working(directory: Directory, record: Record, member: Member, process: processes.Process) -> None:
    """Wait until the member works, with what it needs for that from outside."""
    if member.name == "vault":
        _wait(directory, member, process, lambda: _unsealed(directory, member))
    _wait(directory, member, process, member.trouble)
    if member.name == "nomad":
        keys = Keys.load(directory.vault_keys)
        with Vault(address(record.ports, "vault.http"), keys.root_token if keys else None) as vault:
            vault.set_up(f"{member.address}/.well-known/jwks.json")


def _environment(directory: Directory) -> dict[str, str]:
    """What the members see: little of the caller's own, so that no settings or secrets leak in."""
    passed_on = {
        name: value
        for name, value in os.environ.items()
        if name in _PASSED_ON or name.lower().endswith("_proxy")
    }
    return {**passed_on, MARK: directory.id}


def _wait(
    directory: Directory, member: Member, process: processes.Process, trouble: Callable[[], str]
) -> None:
    """Poll until `trouble` is none; StackError with the log's end when the process or its time ends."""
    deadline = time.monotonic() + member.patience
    while reason := trouble():
        log = directory.log(member.name)
        if not processes.alive(process):
            raise StackError(
                f"{member.name} ended while it started", f"the end of {log}:\n{processes.last_lines(log)}"
            )
        if time.monotonic() > deadline:
            raise StackError(
                f"{member.name} does not work after {member.patience:.0f} s: {reason}",
                f"the end of {log}:\n{processes.last_lines(log)}",
            )
        time.sleep(_POLL)


def _unsealed(directory: Directory, member: Member) -> str:
    """Initialise and unseal Vault once it answers; what still keeps it from that."""
    with Vault(member.address) as vault:
        state = vault.health()
        if state is None:
            return "does not answer"
        keys = Keys.load(directory.vault_keys)
        if not state["initialized"]:
            directory.vault_keys.unlink(missing_ok=True)  # left by a start that never reached Vault's storage
            with _interrupts_held():  # Vault tells its keys once
                keys = vault.initialised()
                keys.save(directory.vault_keys)
        if keys is None:
            raise StackError(
                f"{directory.vault_keys} is missing, Vault stays sealed", "wasmdeploy stack down --purge"
            )
        if state["sealed"]:
            vault.unseal(keys)
    return ""


@contextlib.contextmanager
def undone_on_failure(directory: Directory, before: Record, output: Output) -> Iterator[None]:
    """Stop again what was started since `before`, also on Ctrl-C."""
    try:
        before.save(directory.state)
        yield
    except BaseException as error:
        end = "was interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        output.event("stopping", f"The start {end}: stopping what it started")
        with _interrupts_held():  # a second Ctrl-C must not leave half a stack
            now = Record.load(directory.state) or before
            for name in reversed([name for name in now.members if name not in before.members]):
                processes.stopped([now.members[name]], _STOP_GRACE)
                now = now.without(name)
                now.save(directory.state)
            if not now.members:
                swept(directory, output)
        raise


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Deliver a Ctrl-C only after the block."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread is ever interrupted
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
