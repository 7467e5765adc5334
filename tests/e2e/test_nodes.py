"""What happens to tasks when their node is drained, full or out of reach: as Nomad's documentation says."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.driver.go_guests import go_guest
from tests.e2e.cli import Cli
from tests.e2e.nomad_jobs import PATIENCE, SECOND, ServedApp, nomad, purge
from tests.e2e.owners import nothing_left
from tests.e2e.world import World, eventually
from tests.stack.fixtures import running_stack

pytestmark = [pytest.mark.stack, pytest.mark.guests, pytest.mark.timeout(600)]

Json = dict[str, Any]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A stack of its own, with two clients."""
    with running_stack(tmp_path_factory.mktemp("nodes") / "stack", clients=2) as stack:
        yield World(stack, Cli(stack.data_dir))


@pytest.fixture
def source(world: World) -> Iterator[Path]:
    """The component of the apps; after the test no process of theirs is left."""
    path = world.stack.components_dir / "nodes.wasm"
    path.write_bytes(go_guest().read_bytes())
    with nothing_left(world):
        yield path
        path.unlink()


def on(name: str, word: str = "Constraints") -> Json:
    """Where a job's group may run, or with `Affinities` where it would rather run."""
    more = {"Weight": 100} if word == "Affinities" else {}
    return {word: [{"LTarget": "${node.unique.name}", "RTarget": name, "Operand": "=", **more}]}


def allocations(world: World, name: str, *states: str) -> list[Json]:
    """A job's allocations in these client states."""
    return [each for each in world.nomad(f"job/{name}/allocations") if each["ClientStatus"] in states]


def node_of(world: World, name: str) -> Json:
    """A node by its name."""
    return next(dict(each) for each in world.nomad("nodes") if each["Name"] == name)


def test_a_drain_moves_an_app(world: World, source: Path) -> None:
    """A drained node's task ends, and runs on the other node; its files go with the client's garbage."""
    soon = {
        "MaxParallel": 1,
        "HealthCheck": "task_states",
        "MinHealthyTime": SECOND,
        "HealthyDeadline": 60 * SECOND,
    }
    app = ServedApp(world, "moves", source, group={**on("client-1", "Affinities"), "Migrate": soon})
    app.start()
    drained, left = node_of(world, "client-1")["ID"], app.allocation
    try:
        assert app.stub()["NodeName"] == "client-1"
        (first,) = world.executors()
        nomad(world, "node", "drain", "-enable", "-yes", "-deadline", "60s", drained)
        (moved,) = eventually("it runs elsewhere", lambda: allocations(world, "moves", "running"), PATIENCE)
        assert (moved["NodeName"], moved["ID"] != left) == ("client-2", True)
        app.allocation = moved["ID"]
        app.locate()
        eventually("it answers there", app.answers, PATIENCE)
        # The new one does not wait for the old one's end.
        (ended,) = eventually(
            "the old one has ended", lambda: allocations(world, "moves", "complete"), PATIENCE
        )
        eventually("its executor has gone", lambda: not first.is_running(), PATIENCE)
        assert (ended["ID"], ended["TaskStates"]["t"]["Failed"]) == (left, False)
        # The client's garbage collection: neither the allocation's files nor the driver's stay.
        nomad(world, "node", "drain", "-disable", "-yes", drained)
        httpx.get(f"{world.stack.nomad_addr}/v1/client/allocation/{left}/gc", timeout=60).raise_for_status()
        data = world.stack.data_dir
        eventually("its files are gone", lambda: not (data / "client-1" / "alloc" / left).exists())
        eventually("its state is gone", lambda: not list((data / "client-1-wasm" / "tasks").iterdir()))
    finally:
        nomad(world, "node", "drain", "-disable", "-yes", drained)
        purge(world, "moves")


def test_preemption(world: World, source: Path) -> None:
    """On a full node a job of higher priority takes the place of one with a lower, which waits and comes back."""
    nomad(world, "operator", "scheduler", "set-config", "-preempt-service-scheduler=true")
    node = world.nomad(f"node/{node_of(world, 'client-1')['ID']}")
    memory = node["NodeResources"]["Memory"]["MemoryMB"] * 2 // 3
    low, high = (ServedApp(world, name, source, group=on("client-1")) for name in ("low", "high"))
    jobs = [{**app.job(), "Priority": priority} for app, priority in ((low, 20), (high, 80))]
    for job in jobs:
        job["TaskGroups"][0]["Tasks"][0]["Resources"]["MemoryMB"] = memory
    try:
        low.place(jobs[0])
        (first,) = world.executors()
        high.place(jobs[1])
        high.locate()
        eventually("the higher one answers", high.answers, PATIENCE)
        eventually("the lower one has ended", lambda: not first.is_running(), PATIENCE)
        evicted = low.stub()
        assert (evicted["DesiredStatus"], evicted["PreemptedByAllocation"]) == ("evict", high.allocation)
        assert len(world.executors()) == 1
        purge(world, "high")
        (again,) = eventually("the lower one is back", lambda: allocations(world, "low", "running"), PATIENCE)
        assert again["ID"] != low.allocation
    finally:
        nomad(world, "operator", "scheduler", "set-config", "-preempt-service-scheduler=false")
        for app in (low, high):
            purge(world, app.name)


def test_a_client_that_is_out_of_reach(world: World, source: Path) -> None:
    """Its tasks serve on and are known again; with `replace` another one runs meanwhile, and one of the two stays."""
    kept = ServedApp(world, "kept", source, group=on("client-2"))
    swap = ServedApp(world, "swap", source, group=on("client-2", "Affinities"))
    job = swap.job()
    (group,) = job["TaskGroups"]
    group["Disconnect"] = {"LostAfter": 3600 * SECOND, "Replace": True}
    group["ReschedulePolicy"] = {"Unlimited": True, "Delay": 5 * SECOND, "DelayFunction": "constant"}
    agent = world.member("client-2")
    kept.start()
    swap.place(job)
    try:
        executors = {process.pid for process in world.executors()}
        assert {app.stub()["NodeName"] for app in (kept, swap)} == {"client-2"}
        agent.send_signal(signal.SIGSTOP)
        eventually("it is missed", lambda: node_of(world, "client-2")["Status"] == "disconnected", PATIENCE)
        eventually("so are its tasks", lambda: kept.stub()["ClientStatus"] == "unknown", PATIENCE)
        eventually(
            "a replacement",
            lambda: [each["NodeName"] for each in allocations(world, "swap", "running")] == ["client-1"],
            PATIENCE,
        )
        assert kept.answers()
        agent.send_signal(signal.SIGCONT)
        eventually("it is back", lambda: allocations(world, "kept", "running"), PATIENCE)
        assert (kept.stub()["ID"], kept.restarts(), kept.answers()) == (kept.allocation, 0, True)
        eventually(
            "one of the two", lambda: len(allocations(world, "swap", "running", "pending")) == 1, PATIENCE
        )
        eventually("as many executors", lambda: len(world.executors()) == 2, PATIENCE)
        assert executors & {process.pid for process in world.executors()}
    finally:
        agent.send_signal(signal.SIGCONT)
        for app in (kept, swap):
            purge(world, app.name)
