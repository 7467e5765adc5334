"""`nomad alloc logs` and the web UI, with Nomad's collector and with the driver's own."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.driver.go_guests import go_guest
from tests.e2e.client import one_more_client
from tests.e2e.world import World, eventually
from tests.stack import build

pytestmark = [pytest.mark.stack, pytest.mark.guests, pytest.mark.timeout(600)]

LINES = 40_000  # of 100 bytes: more than three files of 1 MiB hold
DRIVER = """
    log_collection = "driver"
    logs {
      max_files     = 3
      max_file_size = 1
    }
"""


@pytest.fixture(scope="module", params=["nomad", "driver"])
def allocation(
    request: pytest.FixtureRequest, world: World, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, psutil.Process]]:
    """A task that has written more than its files hold, and still writes; and the agent that runs it."""
    source = world.stack.components_dir / "chatter.wasm"
    source.write_bytes(go_guest("go-tool").read_bytes())
    if request.param == "nomad":
        with running(world, "default", source) as found:
            yield found, world.member("client-1")
        return
    home = tmp_path_factory.mktemp("client")
    with (
        one_more_client(world, home, "collecting", DRIVER) as client,
        running(world, "collecting", source) as found,
    ):
        yield found, psutil.Process(client.pid)


class running:
    """The job, and its allocation's id."""

    def __init__(self, world: World, pool: str, source: Path) -> None:
        self._world, self._name, self._source = world, f"chatter-{pool}", source
        self._job = job(self._name, pool, source)

    def __enter__(self) -> str:
        httpx.post(
            f"{self._world.stack.nomad_addr}/v1/jobs", json={"Job": self._job}, timeout=60
        ).raise_for_status()
        found = eventually("the task runs", self._running)
        # It has written all its lines then, whichever test comes first.
        eventually("it ticks", lambda: "tick" in "".join(logs(self._world, found, "-tail", "-n", "5")))
        return found

    def _running(self) -> str:
        stubs = self._world.nomad(f"job/{self._name}/allocations") or []
        assert not [each for each in stubs if each["ClientStatus"] == "failed"], stubs
        return next((str(each["ID"]) for each in stubs if each["ClientStatus"] == "running"), "")

    def __exit__(self, *_: object) -> None:
        address = f"{self._world.stack.nomad_addr}/v1/job/{self._name}"
        httpx.delete(address, params={"purge": "true"}, timeout=60).raise_for_status()
        self._source.unlink()


def job(name: str, pool: str, source: Path) -> dict[str, Any]:
    return {
        "ID": name, "Type": "service", "Datacenters": ["*"], "NodePool": pool,
        "TaskGroups": [{
            "Name": "g", "RestartPolicy": {"Attempts": 0, "Mode": "fail"},
            "Tasks": [{
                "Name": "talk", "Driver": "wasm", "Resources": {"CPU": 200, "MemoryMB": 200},
                "LogConfig": {"MaxFiles": 3, "MaxFileSizeMB": 1}, "KillTimeout": 10**9,
                "Config": {"module": str(source), "args": ["chatter", str(LINES), "/none"],
                           "limits": [{"memory_mb": 128}]},
            }],
        }],
    }  # fmt: skip


def logs(world: World, allocation: str, *options: str) -> list[str]:
    """What `nomad alloc logs` prints."""
    line = [build.ensure() / "nomad", "alloc", "logs", f"-address={world.stack.nomad_addr}", *options]
    return subprocess.run(
        [*line, allocation, "talk"], capture_output=True, text=True, timeout=120, check=True
    ).stdout.splitlines()


def files(world: World, allocation: str, stream: str) -> dict[int, int]:
    """The sizes of the stream's files by their numbers."""
    found = world.nomad(f"client/fs/ls/{allocation}?path=alloc/logs")
    return {
        int(each["Name"].rpartition(".")[2]): each["Size"]
        for each in found
        if each["Name"].startswith(f"talk.{stream}.")
    }


def test_files_and_tail(world: World, allocation: tuple[str, psutil.Process]) -> None:
    """The files keep number and size, their lines are whole and in order, and the tail is the newest."""
    found, agent = allocation
    assert logs(world, found, "-stderr") == ["begins"]
    eventually("old files are gone", lambda: len(files(world, found, "stdout")) == 3)
    assert all(size <= 1 << 20 for size in files(world, found, "stdout").values())
    lines = [each for each in logs(world, found) if each.startswith("line ")]
    first = int(lines[0].split()[1])
    assert [int(each.split()[1]) for each in lines] == list(range(first, LINES))
    assert 0 < first < LINES
    last = logs(world, found, "-tail", "-n", "3")
    assert [each.split()[0] for each in last] == ["tick"] * 3
    collectors = [each for each in agent.children(recursive=True) if "logmon" in each.cmdline()]
    assert bool(collectors) == (agent.pid == world.member("client-1").pid)


def test_the_web_interfaces_view(world: World, allocation: tuple[str, psutil.Process]) -> None:
    """What Nomad's web UI asks for: the end of the log from an offset, as text."""
    found, _ = allocation
    query = {
        "task": "talk",
        "type": "stdout",
        "origin": "end",
        "offset": "2000",
        "plain": "true",
        "follow": "false",
    }
    answer = httpx.get(f"{world.stack.nomad_addr}/v1/client/fs/logs/{found}", params=query, timeout=30)
    assert answer.status_code == 200
    assert 2000 <= len(answer.content) < 4000
    assert "tick" in answer.text


def test_following_across_a_restart(world: World, allocation: tuple[str, psutil.Process]) -> None:
    """`-f` shows each line once, while it is written, and goes on when the task has a new executor."""
    found, _ = allocation
    line = [
        build.ensure() / "nomad",
        "alloc",
        "logs",
        f"-address={world.stack.nomad_addr}",
        "-f",
        "-tail",
        "-n",
        "1",
    ]
    following = subprocess.Popen([*line, found, "talk"], stdout=subprocess.PIPE, text=True)
    seen: list[str] = []
    reader = threading.Thread(target=lambda: seen.extend(iter(following.stdout.readline, "")), daemon=True)
    try:
        reader.start()
        reading = lambda word: sum(each.startswith(word) for each in list(seen))  # noqa: E731
        eventually("it follows", lambda: reading("tick") > 20, 60)
        httpx.post(
            f"{world.stack.nomad_addr}/v1/client/allocation/{found}/restart", json={}, timeout=60
        ).raise_for_status()
        eventually("the next run is followed", lambda: "tick 0\n" in seen and reading("tick") > 60, 120)
    finally:
        following.kill()
        following.wait()
        reader.join(10)
        following.stdout.close()
    again = seen.index("tick 0\n")
    before = [int(each.split()[1]) for each in seen[:again] if each.startswith("tick")]
    assert before == list(range(before[0], before[0] + len(before)))
    after = [int(each.split()[1]) for each in seen[again:-1] if each.startswith("tick")]
    assert after == list(range(len(after)))
