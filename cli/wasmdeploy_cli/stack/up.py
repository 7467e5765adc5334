"""Brings a stack up, or the members that it lacks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from wasmdeploy_cli import driver_install
from wasmdeploy_cli.errors import StackError
from wasmdeploy_cli.stack import ports, processes, programs
from wasmdeploy_cli.stack.config import Features
from wasmdeploy_cli.stack.directory import Directory, claimed, located, locked
from wasmdeploy_cli.stack.members import planned
from wasmdeploy_cli.stack.record import Record
from wasmdeploy_cli.stack.start import started, undone_on_failure
from wasmdeploy_cli.stack.state import StackState, described

if TYPE_CHECKING:
    from wasmdeploy_cli.console import Output


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
    """Bring the whole stack up and return where it answers; a failed call stops what it started."""
    directory = claimed(located(options.data_dir))
    with locked(directory):
        before = Record.load(directory.state) or Record()
        running = {name: process for name, process in before.members.items() if processes.alive(process)}
        features = _features(options, before, running)
        numbers = _ports(options, before, running, features)
        members = planned(directory, numbers, features)
        if all(member.name in running and not member.trouble() for member in members):
            output.event("running", f"The stack in {directory.path} already runs.")
            return described(directory, before)
        bin_dir = (
            options.bin_dir.absolute()
            if options.bin_dir
            else Path(before.bin_dir)
            if before.bin_dir
            else None
        )
        missing = sorted({member.program for member in members if member.name not in running})
        binaries = programs.found(bin_dir, missing)
        record = Record(features, numbers, running, str(bin_dir or ""))
        with undone_on_failure(directory, record, output):
            _prepared(directory, features, output)
            if not options.auto_ports:
                _tell_moved(numbers, before.ports, features, output)
            for member in members:
                record = started(directory, record, member, binaries, output)
        return described(directory, record)


def _features(options: Options, before: Record, running: Mapping[str, object]) -> Features:
    """The stack's features after this call; a running stack only gains clients."""
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
        raise StackError(
            "the running stack has other settings", "wasmdeploy stack down, then up with the new ones"
        )
    return features


def _ports(
    options: Options, before: Record, running: Mapping[str, object], features: Features
) -> dict[str, int]:
    """The ports of running members stay; the others keep theirs where still free."""
    held = {name: port for name, port in before.ports.items() if name.split(".")[0] in running}
    others = {name: port for name, port in ports.wanted(features.clients).items() if name not in held}
    return held | ports.chosen(others, before.ports, ports.free_now(), options.auto_ports)


def _tell_moved(
    numbers: Mapping[str, int], kept: Mapping[str, int], features: Features, output: Output
) -> None:
    """Say which of the ports that people know by heart is another one."""
    for name, standard in ports.wanted(features.clients).items():
        if name in ("nomad.http", "consul.http", "vault.http", "traefik.web") and numbers[name] != standard:
            program, number = name.partition(".")[0], numbers[name]
            said = f"Port {standard} is not free: {program} is on {number}"
            if kept.get(name) == number:
                said = f"{program} is on {number}, as before"
            output.event("port", said, port=number)


def _prepared(directory: Directory, features: Features, output: Output) -> None:
    """Make the directories that the members expect, and install the driver for Nomad."""
    for path, mode in (
        (directory.components, 0o755),
        (directory.plugins, 0o755),
        (directory.path / "logs", 0o700),
    ):
        path.mkdir(mode=mode, exist_ok=True)
    if features.driver and driver_install.installed(directory.plugins).changed:
        output.event("driver", f"Driver installed in {directory.plugins}")
