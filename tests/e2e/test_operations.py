"""What operators do with allocations: restart, stop and signal them, and look at their files."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.driver.go_guests import go_guest
from tests.e2e.nomad_jobs import PATIENCE, ServedApp, nomad, purge
from tests.e2e.owners import nothing_left
from tests.e2e.world import World, eventually

pytestmark = [pytest.mark.stack, pytest.mark.guests, pytest.mark.timeout(600)]


@pytest.fixture
def app(world: World) -> Iterator[ServedApp]:
    """An app that runs, without the tool."""
    source = world.stack.components_dir / "operated.wasm"
    source.write_bytes(go_guest().read_bytes())
    served = ServedApp(world, "operated", source)
    with nothing_left(world):
        try:
            served.start()
            yield served
        finally:
            purge(world, served.name)
            source.unlink()


def executor(world: World) -> int:
    """The pid of the one executor."""
    (process,) = world.executors()
    return process.pid


def renewed(world: World, app: ServedApp, before: int) -> int:
    """Wait until another executor serves; gives its pid."""
    eventually("another executor", lambda: [p.pid for p in world.executors() if p.pid != before], PATIENCE)
    eventually("it answers", app.answers, PATIENCE)
    eventually("the old one has gone", lambda: len(world.executors()) == 1, PATIENCE)
    return executor(world)


def test_an_allocation_is_restarted_signalled_and_stopped(world: World, app: ServedApp) -> None:
    """`alloc restart` and `job restart` make a new executor in the same allocation, `alloc stop` a new allocation."""
    first = executor(world)
    nomad(world, "alloc", "restart", app.allocation)
    second = renewed(world, app, first)
    nomad(world, "alloc", "signal", "-s", "SIGUSR1", app.allocation)
    eventually(
        "the state is told",
        lambda: '"state": "running"' in nomad(world, "alloc", "logs", "-stderr", app.allocation),
    )
    nomad(world, "alloc", "signal", "-s", "SIGHUP", app.allocation)
    assert (executor(world), app.answers()) == (second, True)
    nomad(world, "alloc", "signal", "-s", "SIGKILL", app.allocation)
    third = renewed(world, app, second)
    nomad(world, "job", "restart", "-yes", app.name)
    fourth = renewed(world, app, third)
    assert app.stub()["ID"] == app.allocation
    nomad(world, "alloc", "stop", app.allocation)
    stubs = eventually("another allocation runs", lambda: running(world, app), PATIENCE)
    assert [each["ID"] for each in stubs] != [app.allocation]
    app.allocation = stubs[0]["ID"]
    app.locate()
    renewed(world, app, fourth)


def running(world: World, app: ServedApp) -> list[dict[str, str]]:
    """The running allocations of a job."""
    return [each for each in world.nomad(f"job/{app.name}/allocations") if each["ClientStatus"] == "running"]


def test_files_of_an_allocation(world: World, app: ServedApp) -> None:
    """`alloc fs` shows directories and logs, and of secrets nothing."""
    app.ask("/say?into-the-log")
    assert {"alloc/", "t/"} <= set(nomad(world, "alloc", "fs", app.allocation).split())
    assert {"local/", "tmp/"} <= set(nomad(world, "alloc", "fs", app.allocation, "t").split())
    eventually(
        "the log is a file",
        lambda: "into-the-log" in nomad(world, "alloc", "fs", app.allocation, "alloc/logs/t.stderr.0"),
    )
    (local,) = world.stack.data_dir.glob(f"client-*/alloc/{app.allocation}/t/local")
    (local / "note").write_text("a note")
    assert nomad(world, "alloc", "fs", app.allocation, "t/local/note") == "a note"
    nomad(world, "alloc", "fs", app.allocation, "t/private/vault_token", code=1)
    nomad(world, "alloc", "fs", app.allocation, "../../../../etc/passwd", code=1)
