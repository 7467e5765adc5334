"""A real HashiStack for tests: `stack`, one for the session; `running_stack` for those that break it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.stack import build
from tests.stack.vault import VaultServer, running_vault
from wasmdeploy_cli.console import Output
from wasmdeploy_cli.stack import directory, ports, processes, sweep
from wasmdeploy_cli.stack.down import down
from wasmdeploy_cli.stack.record import Record
from wasmdeploy_cli.stack.state import StackState
from wasmdeploy_cli.stack.up import Options, up


class Events(Output):
    """Keeps what a command reports instead of printing it."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.events: list[tuple[str, str]] = []

    def event(self, name: str, text: str, **details: object) -> None:
        """Keep one event."""
        self.events.append((name, text))


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackState]:
    """A stack with one client, on ports of its own; nothing of it is left at the end."""
    with running_stack(tmp_path_factory.mktemp("stack")) as state:
        yield state


@pytest.fixture(scope="session")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VaultServer]:
    """A Vault alone, open; a test that seals it opens it again."""
    with running_vault(tmp_path_factory.mktemp("vault")) as server:
        yield server


@contextmanager
def running_stack(data_dir: Path, clients: int = 1, raw_exec: bool = False) -> Iterator[StackState]:
    """A stack in the empty `data_dir`; fails, never skips, where the programs cannot be had."""
    build.ensure()
    options = Options(clients=clients, data_dir=data_dir, auto_ports=True, raw_exec=raw_exec, dashboard=True)
    state = up(options, Events())
    try:
        yield state
    finally:
        stop_and_check(data_dir)


def stop_and_check(data_dir: Path) -> None:
    """Take a stack down with its data, and assert that no process, mount or listening port is left."""
    owned = directory.opened(data_dir)
    assert owned is not None
    record = Record.load(owned.state)
    assert record is not None
    output = Events()
    down(data_dir, purge=True, output=output)
    assert not [process for process in record.members.values() if processes.alive(process)]
    assert sweep.leftovers(owned) == []
    assert sweep.cgroups(owned) == []
    assert directory.current_mounts(data_dir) == []
    assert not data_dir.exists()
    is_free = ports.free_now()
    single = {name: port for name, port in record.ports.items() if not name.endswith(".dynamic")}
    assert {name: port for name, port in single.items() if not is_free(port)} == {}
    # With every agent alive, the driver itself must have ended its executors.
    assert not [text for name, text in output.events if name == "sweep" and sweep.EXECUTOR in text]
