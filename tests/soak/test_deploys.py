"""An app that is deployed, rolled back, scaled and moved off its nodes while clients use it: no request fails.

A request fails that gets no answer, or another one than the app's own 200. Clients use one place (host and path), and
move to another as soon as that answers; the old place must serve them until then, and the requests that are under way
longer. `make soak` does all of it (SOAK_SECONDS of 300 or more), `make test` one round.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.e2e.cli import Cli
from tests.e2e.load import Load, steady
from tests.e2e.sample import Sample
from tests.e2e.world import World, eventually
from tests.stack.fixtures import running_stack

WHOLE = float(os.environ.get("SOAK_SECONDS", "30")) >= 300
ROUNDS, DRAINS, RATE = (5, 3, 200) if WHOLE else (1, 1, 200)
pytestmark = [
    pytest.mark.stack,
    pytest.mark.guests,
    pytest.mark.soak,
    pytest.mark.timeout(3600 if WHOLE else 900),
]

ANSWER = "hello from Go\n"
_SECOND = 1_000_000_000


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A stack of two clients, so that one can be drained, whose Traefik knows two middlewares."""
    with running_stack(tmp_path_factory.mktemp("stack"), clients=2) as stack:
        header = "headers.customresponseheaders.X-Mark"
        tags = [f"traefik.http.middlewares.mark-{mark}.{header}={mark}" for mark in ("odd", "even")]
        service = {"Name": "marks", "Address": "127.0.0.1", "Port": 9, "Tags": ["traefik.enable=true", *tags]}
        httpx.put(
            f"{stack.consul_addr}/v1/agent/service/register", json=service, timeout=60
        ).raise_for_status()
        yield World(stack, Cli(stack.data_dir))


class Client:
    """The load, where it goes, and the app that it goes to."""

    def __init__(self, world: World, sample: Sample, load: Load) -> None:
        self.world, self.sample, self.load = world, sample, load
        self.done: dict[str, int] = {}

    def deploy(self, what: str, number: int) -> None:
        """Deploy with one thing changed, and the clients on their way to the new place if there is one."""
        sample, mark = self.sample, ("even", "odd")[number % 2]
        sample.variables["greeting"] = f"{what} {number}"
        path, host = self.load.path, self.load.host
        match what:
            case "content":
                sample.variant = number
            case "host":
                host = f"soak-{mark}.localhost"
                sample.deploy["host"] = f'"{host}"'
            case "path":
                path = f"/{mark}/"
                sample.routes = (f"/{mark}/...",)
            case "middleware":
                sample.deploy["middlewares"] = f'["mark-{mark}@consulcatalog"]'
        with self._moving(host, path):
            self.world.cli("deploy", sample.write())
        assert self.answer()["GREETING"] == f"{what} {number}"
        if what == "middleware":
            assert self.world.get(host, path).headers["X-Mark"] == mark
        self._count("deploy", what)

    def rollback(self) -> None:
        """Go back, and the next deploy goes forward again."""
        now = self.answer()["GREETING"]
        self.world.cli("rollback", "--manifest", self.sample.directory)
        assert self.answer()["GREETING"] != now
        self._count("rollback")

    def scale(self, count: int) -> None:
        """Run more or fewer instances."""
        self.world.cli("scale", str(count), "--manifest", self.sample.directory)
        eventually(f"{count} instances", lambda: len(self._running()) == count, 60)
        self._count("scale", str(count))

    def drain(self) -> None:
        """Move all instances off a node that has some, then let it have some again."""
        node = self._running()[0]["NodeID"]
        nomad = f"{self.world.stack.nomad_addr}/v1/node/{node}"
        spec = {"Deadline": 240 * _SECOND, "IgnoreSystemJobs": False}
        count = len(self._running())
        httpx.put(f"{nomad}/drain", json={"DrainSpec": spec}, timeout=60).raise_for_status()
        eventually("it is drained", lambda: not self.world.nomad(f"node/{node}").get("DrainStrategy"), 300)
        eventually(
            "its instances are elsewhere",
            lambda: len(self._running()) == count and all(each["NodeID"] != node for each in self._running()),
            60,
        )
        httpx.put(f"{nomad}/eligibility", json={"Eligibility": "eligible"}, timeout=60).raise_for_status()
        self._count("drain")

    def answer(self) -> dict[str, str]:
        """The environment of the version that answers."""
        text = self.world.get(self.load.host, f"{self.load.path}env").text
        return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    @contextmanager
    def _moving(self, host: str, path: str) -> Iterator[None]:
        def move() -> None:
            eventually(f"{host}{path} answers", lambda: self.world.get(host, path).status_code == 200, 180)
            self.load.host, self.load.path = host, path

        moving = threading.Thread(target=move)
        moving.start()
        try:
            yield
        finally:
            moving.join()
        assert (self.load.host, self.load.path) == (host, path)

    def _running(self) -> list[dict[str, str]]:
        stubs = self.world.nomad(f"job/{self.sample.name}/allocations")
        return [
            each for each in stubs if each["ClientStatus"] == "running" and each["DesiredStatus"] == "run"
        ]

    def _count(self, what: str, detail: str = "") -> None:
        self.done[what] = self.done.get(what, 0) + 1
        failed = len(self.load.failures)
        print(
            f"soak: {what} {detail}: {self.load.sent} requests, {failed} failed", file=sys.stderr, flush=True
        )
        assert self.load.failures[:5] == []


def test_no_request_fails_whatever_is_done_to_the_app(world: World, tmp_path: Path) -> None:
    """Deploys with another host, path and middleware, rollbacks, scales and node drains: 0 failed requests."""
    sample = Sample(tmp_path / "app", "soak", variables={"greeting": "first"}, routes=("/first/...",))
    sample.environment = {"GREETING": "{{ greeting }}"}
    sample.deploy = {"host": '"soak.localhost"', "count": "2"}
    world.cli("deploy", sample.write())
    with steady(world.stack.traefik_addr, "soak.localhost", RATE, "/first/") as load:
        client = Client(world, sample, load)
        for number in range(ROUNDS):
            for what in (
                ("content", "host", "path", "middleware") if WHOLE else ("host", "path", "middleware")
            ):
                client.deploy(what, number)
            client.rollback()
            client.scale(3 if number % 2 == 0 else 2)
            if number < DRAINS:
                client.drain()
    print(f"soak: {json.dumps(client.done)}, {load.achieved:.0f} requests/s", file=sys.stderr)
    assert load.failures == []
    assert load.bodies == {ANSWER}
    # A round is there to find what fails, on machines that are busy otherwise, too.
    assert load.achieved >= 0.95 * RATE if WHOLE else load.sent > 2000
    deploys = ROUNDS * (4 if WHOLE else 3)
    assert client.done == {"deploy": deploys, "rollback": ROUNDS, "scale": ROUNDS, "drain": DRAINS}
    world.cli("destroy", sample.directory)
