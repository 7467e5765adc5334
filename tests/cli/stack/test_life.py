"""A real stack from its start to its end, through crashes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.stack import build
from tests.stack.fixtures import Events, running_stack, stop_and_check
from wasmdeploy_cli.errors import StackError
from wasmdeploy_cli.stack import directory, health, processes, sweep
from wasmdeploy_cli.stack.down import down
from wasmdeploy_cli.stack.record import Record
from wasmdeploy_cli.stack.state import current
from wasmdeploy_cli.stack.status import status
from wasmdeploy_cli.stack.up import Options, up
from wasmdeploy_cli.stack.vault import Vault

pytestmark = pytest.mark.stack


def until(true: Callable[[], object], what: str, seconds: float = 120.0) -> None:
    """Poll until something holds."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.1)


def member(data_dir: Path, name: str) -> processes.Process:
    record = Record.load(directory.claimed(data_dir).state)
    assert record is not None
    return record.members[name]


def conditions(data_dir: Path) -> dict[str, str]:
    return {each.name: each.condition for each in status(data_dir)}


def test_life(tmp_path: Path) -> None:
    """A stack starts, comes back after a crash and after `down` with its data, and leaves nothing."""
    data_dir = tmp_path / "stack"
    with running_stack(data_dir, clients=2) as state:
        assert current(data_dir) == state
        assert set(conditions(data_dir).values()) == {"works"}
        assert list(conditions(data_dir)) == [
            "consul",
            "consul-2",
            "vault",
            "nomad",
            "client-1",
            "client-2",
            "traefik",
        ]

        again = Events()
        assert up(Options(data_dir=data_dir), again) == state
        assert [name for name, _ in again.events] == ["running"]

        for name in ("client-2", "vault"):
            os.kill(member(data_dir, name).pid, signal.SIGKILL)
        until(
            lambda: conditions(data_dir)["client-2"] == conditions(data_dir)["vault"] == "crashed",
            "the crash shows",
        )
        assert conditions(data_dir)["nomad"] == "works"
        repair = Events()
        assert up(Options(data_dir=data_dir), repair) == state
        assert [text.split()[0] for name, text in repair.events if name == "started"] == ["vault", "client-2"]
        assert set(conditions(data_dir).values()) == {"works"}

        with Vault(state.vault_addr, state.vault_token) as vault:
            vault.call("POST", "secret/data/default/app", {"data": {"key": "kept"}})
        assert down(data_dir, purge=False, output=Events())
        assert set(conditions(data_dir).values()) == {"stopped"}
        assert current(data_dir) is None
        assert up(Options(data_dir=data_dir), Events()) == state
        with Vault(state.vault_addr, state.vault_token) as vault:
            assert vault.call("GET", "secret/data/default/app")["data"]["data"] == {"key": "kept"}


def test_other_settings(tmp_path: Path) -> None:
    """A running stack refuses settings that it would have to be stopped for, and takes more clients."""
    data_dir = tmp_path / "stack"
    with running_stack(data_dir):
        with pytest.raises(StackError, match="other settings"):
            up(Options(data_dir=data_dir, raw_exec=True), Events())
        up(Options(data_dir=data_dir, clients=2), Events())
        assert conditions(data_dir)["client-2"] == "works"
        with pytest.raises(StackError, match="other settings"):
            up(Options(data_dir=data_dir, clients=1), Events())


# (loop (call $poll_oneoff …)): a preview-1 module that sleeps on and on
SLEEPER = bytes.fromhex(
    "0061736d01000000010c0260047f7f7f7f017f60000002260116776173695f736e617073686f745f70726576696577310b"
    "706f6c6c5f6f6e656f66660000030201010503010001071302066d656d6f72790200065f737461727400010a1601140003"
    "40410041c000410141800110001a0c000b0b0b17020041100b04010000000041180b0800000000000f0000"
)


def sleeper(driver: str, config: dict[str, object]) -> dict[str, object]:
    task = {"Name": "t", "Driver": driver, "Config": config, "Resources": {"CPU": 50, "MemoryMB": 64}}
    return {"Job": {"ID": f"sleeper-{driver}", "TaskGroups": [{"Name": "g", "Tasks": [task]}]}}


def test_tasks(tmp_path: Path) -> None:
    """Tasks stop and start with the stack; those that lost their agent end as well, and leave nothing."""
    data_dir = tmp_path / "stack"
    with running_stack(data_dir, raw_exec=True) as state:
        owned = directory.claimed(data_dir)
        module = state.components_dir / "sleep.wasm"
        module.write_bytes(SLEEPER)
        health.put(f"{state.nomad_addr}/v1/jobs", sleeper("wasm", {"module": str(module)}))
        health.put(
            f"{state.nomad_addr}/v1/jobs", sleeper("raw_exec", {"command": "/bin/sleep", "args": ["987"]})
        )

        def started() -> int:
            with urllib.request.urlopen(f"{state.nomad_addr}/v1/allocations") as answer:
                return sum(each["ClientStatus"] == "running" for each in json.load(answer))

        def running() -> dict[str, int]:
            found = {}
            for process, traces in sweep.leftovers(owned):
                if traces.argv == ("/bin/sleep", "987"):
                    found["raw_exec"] = process.pid
                if sweep.EXECUTOR in traces.argv:
                    found["wasm"] = process.pid
            return found

        until(lambda: started() == 2, "the tasks run")
        assert len(running()) == 2
        events = Events()
        down(data_dir, purge=False, output=events)
        assert [name for name, _ in events.events if name in {"warning", "sweep"}] == []
        assert running() == {}
        assert directory.current_mounts(data_dir) == []

        up(Options(data_dir=data_dir), Events())
        until(lambda: started() == 2, "the tasks run again")
        before = running()
        for name in ("nomad", "client-1"):
            os.kill(member(data_dir, name).pid, signal.SIGKILL)
        until(lambda: conditions(data_dir)["client-1"] == "crashed", "the crash shows")
        assert running() == before
        down(data_dir, purge=False, output=Events())
        assert sweep.leftovers(owned) == []
        assert sweep.cgroups(owned) == []
        assert directory.current_mounts(data_dir) == []


def test_failed_start(tmp_path: Path) -> None:
    """A start that fails names the member and shows its log's end, and nothing stays behind."""
    build.ensure()
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "nomad").write_text("#!/bin/sh\necho no such flag: $1 >&2\nexit 1\n")
    (programs / "nomad").chmod(0o755)
    data_dir = tmp_path / "stack"
    with pytest.raises(StackError) as caught:
        up(Options(data_dir=data_dir, bin_dir=programs, auto_ports=True), Events())
    assert caught.value.message == "nomad ended while it started"
    assert "no such flag: agent" in caught.value.hint
    record = Record.load(directory.claimed(data_dir).state)
    assert record is not None
    assert record.members == {}
    stop_and_check(data_dir)


def test_interrupted_start(tmp_path: Path) -> None:
    """Ctrl-C during the start stops what was started."""
    build.ensure()
    data_dir = tmp_path / "stack"
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from wasmdeploy_cli.console import Output\nfrom wasmdeploy_cli.stack.up import Options, up\n"
        "up(Options(data_dir=Path(sys.argv[1]), auto_ports=True), Output())\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with subprocess.Popen(
        [sys.executable, "-c", code, str(data_dir)], env=environment, stderr=subprocess.PIPE, text=True
    ) as starting:
        assert starting.stderr is not None
        for line in starting.stderr:
            if line.startswith("vault works"):
                starting.send_signal(signal.SIGINT)
                break
        rest = starting.stderr.read()
        assert starting.wait(60) != 0
    assert "stopping what it started" in rest
    owned = directory.claimed(data_dir)
    assert sweep.leftovers(owned) == []
    assert set(conditions(data_dir).values()) == {"stopped"}
    stop_and_check(data_dir)


def test_no_stack(tmp_path: Path) -> None:
    """Where no stack is, there is nothing to stop and no status."""
    assert not down(tmp_path, purge=True, output=Events())
    assert status(tmp_path) == ()
    assert tmp_path.exists()
