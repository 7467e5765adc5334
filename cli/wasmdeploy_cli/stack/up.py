"""Starts a stack, or the members that it lacks."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from wasmdeploy_cli import driver_install
from wasmdeploy_cli.errors import StackError
from wasmdeploy_cli.stack import health, ports, processes, programs
from wasmdeploy_cli.stack.config import Features, address
from wasmdeploy_cli.stack.directory import Directory, claimed, located, locked
from wasmdeploy_cli.stack.keys import Keys
from wasmdeploy_cli.stack.members import Member, planned, written
from wasmdeploy_cli.stack.record import Record
from wasmdeploy_cli.stack.state import StackState, described
from wasmdeploy_cli.stack.vault import Vault

if TYPE_CHECKING:
    from wasmdeploy_cli.console import Output

MARK = "WASMDEPLOY_STACK_ID"
_POLL = 0.1
_STOP_GRACE = 10.0
_PASSED_ON = frozenset({"PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR"})


@dataclass(frozen=True, slots=True)
class Options:
    """What `stack up` was asked for; None keeps what the stack had, or takes the default."""

    clients: int | None = None
    bin_dir: Path | None = None
    data_dir: Path | None = None
    auto_ports: bool = False
    raw_exec: bool | None = None
    dashboard: bool | None = None
    driver: bool = True


def up(options: Options, output: Output) -> StackState:
    """Bring the whole stack up and return where it answers; what this call started is stopped again if it fails."""
    directory = claimed(located(options.data_dir))
    with locked(directory):
        before = Record.load(directory.state) or Record()
        running = {name: process for name, process in before.members.items() if processes.alive(process)}
        features = _features(options, before, running)
        numbers = _ports(options, before, running, features)
        members = planned(directory, numbers, features)
        missing = [member for member in members if member.name not in running]
        if not missing and not any(member.trouble() for member in members):
            output.event("running", f"The stack in {directory.path} already runs.")
            return described(directory, before)
        binaries = programs.found(options.bin_dir, sorted({member.program for member in missing}))
        record = Record(features, numbers, running)
        with _undone_on_failure(directory, record, output):
            _prepared(directory, features, output)
            for member in members:
                record = _started(directory, record, member, binaries, output)
        return described(directory, record)


def _features(options: Options, before: Record, running: Mapping[str, object]) -> Features:
    had = before.features
    features = Features(
        clients=had.clients if options.clients is None else options.clients,
        raw_exec=had.raw_exec if options.raw_exec is None else options.raw_exec,
        dashboard=had.dashboard if options.dashboard is None else options.dashboard,
        driver=options.driver,
    )
    if features.clients < 1:
        raise StackError("a stack has at least one client", "--clients 1")
    if running and (replace(features, clients=had.clients) != had or features.clients < had.clients):
        raise StackError("the running stack has other settings", "wasmdeploy stack down, then up with the new ones")
    return features


def _ports(
    options: Options, before: Record, running: Mapping[str, object], features: Features
) -> dict[str, int]:
    """The ports of running members stay; the others keep theirs where still free."""
    wanted = ports.wanted(features.clients)
    held = {name: port for name, port in before.ports.items() if name.split(".")[0] in running}
    open_names = {name: port for name, port in wanted.items() if name not in held}
    return held | ports.chosen(open_names, before.ports, ports.free_now(), options.auto_ports)


def _prepared(directory: Directory, features: Features, output: Output) -> None:
    """Make the directories that the members expect, and install the driver for Nomad."""
    for path, mode in ((directory.components, 0o755), (directory.plugins, 0o755), (directory.path / "logs", 0o700)):
        path.mkdir(mode=mode, exist_ok=True)
    if features.driver and driver_install.installed(directory.plugins).changed:
        output.event("driver", f"Driver installed in {directory.plugins}")


def _started(
    directory: Directory, record: Record, member: Member, binaries: Mapping[str, Path], output: Output
) -> Record:
    """Start a member unless it runs, and wait until it works."""
    process = record.members.get(member.name)
    begun = time.monotonic()
    if process is None:
        written(directory, member)
        directory.data(member.name).mkdir(mode=0o711, exist_ok=True)
        log = directory.log(member.name)
        process = processes.spawned([str(binaries[member.program]), *member.arguments], log, _environment(directory))
        record = record.with_member(member.name, process)
        record.save(directory.state)
    with output.waiting(f"Starting {member.name}"):
        if member.name == "vault":
            _wait(directory, member, process, lambda: _unsealed(directory, member))
        _wait(directory, member, process, member.trouble)
        _completed(directory, record, member)
    seconds = time.monotonic() - begun
    output.event("started", f"{member.name} works at {member.address} ({seconds:.1f} s)", member=member.name)
    return record


def _environment(directory: Directory) -> dict[str, str]:
    """What the members see: little of the caller's own, so that neither settings nor secrets of theirs leak in."""
    passed_on = {name: value for name, value in os.environ.items() if name in _PASSED_ON or name.lower().endswith("_proxy")}
    return {**passed_on, MARK: directory.id}


def _wait(directory: Directory, member: Member, process: processes.Process, trouble: Callable[[], str]) -> None:
    deadline = time.monotonic() + member.patience
    log = directory.log(member.name)
    while reason := trouble():
        if not processes.alive(process):
            raise StackError(f"{member.name} ended while it started; the end of {log}:\n{processes.last_lines(log)}")
        if time.monotonic() > deadline:
            raise StackError(
                f"{member.name} does not work after {member.patience:.0f} s: {reason}; "
                f"the end of {log}:\n{processes.last_lines(log)}"
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
            keys = vault.initialised()
            keys.save(directory.vault_keys)
        if keys is None:
            raise StackError(f"{directory.vault_keys} is missing, Vault stays sealed", "wasmdeploy stack down --purge")
        if state["sealed"]:
            vault.unseal(keys)
    return ""


def _completed(directory: Directory, record: Record, member: Member) -> None:
    """What has to be done once a member works."""
    if member.name == "nomad":
        keys = Keys.load(directory.vault_keys)
        with Vault(address(record.ports, "vault.http"), keys.root_token if keys else None) as vault:
            vault.set_up(f"{member.address}/.well-known/jwks.json")
    if member.name.startswith("client-"):
        health.refill(member.address, health.own_node(member.address))


@contextlib.contextmanager
def _undone_on_failure(directory: Directory, before: Record, output: Output) -> Iterator[None]:
    """Stop again what was started since `before`, also on Ctrl-C."""
    try:
        before.save(directory.state)
        yield
    except BaseException:
        output.event("stopping", "The start failed: stopping what it started")
        previous = signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not leave half a stack
        try:
            now = Record.load(directory.state) or before
            for name in reversed([name for name in now.members if name not in before.members]):
                processes.stopped(now.members[name], _STOP_GRACE)
                now = now.without(name)
                now.save(directory.state)
        finally:
            signal.signal(signal.SIGINT, previous)
        raise
