"""Guests that wait: for each other they need not, and a guest that waits too long is alone with it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conformance.servers import LANGUAGES, guest
from tests.conformance.upstream import Upstream, upstream
from tests.conformance.wire import Answer, ask, request
from tests.driver.executor_process import Executor, app, until

pytestmark = [pytest.mark.guests, pytest.mark.timeout(300)]

MODES = [f"{kind}-{language}" for kind in ("request", "instance") for language in LANGUAGES]
TOGETHER = 64


@contextmanager
def served(directory: Path, mode: str, timeout: str) -> Iterator[tuple[Executor, Upstream]]:
    """A guest of this mode, and the server that it may call; what waits there is let go at the end."""
    kind, _, language = mode.partition("-")
    source = guest(language)
    with upstream() as outside:
        task = app(
            source, timeout=timeout, isolation=kind, allowed_outbound_hosts=(f"http://{outside.authority}",)
        )
        with Executor(directory, task, source) as executor:
            yield executor.start(), outside


def at_gate(executor: Executor, outside: Upstream) -> Answer:
    """A request whose guest calls a server that does not answer until the gate is open."""
    return ask(executor.address, request(f"/fetch?{outside.authority}/gate"))


@pytest.mark.parametrize("mode", MODES)
def test_many_guests_wait_at_once(tmp_path: Path, mode: str) -> None:
    """64 guests wait for their calls' answers at the same time; once these come, so do theirs."""
    with served(tmp_path, mode, "60s") as (executor, outside), ThreadPoolExecutor(TOGETHER) as clients:
        answers = [clients.submit(at_gate, executor, outside) for _ in range(TOGETHER)]
        together = outside.wait_for(TOGETHER, seconds=50)
        outside.open()
        assert together, f"no more than {outside.most} waited at once"
        assert {(each.result().status, each.result().body[:8]) for each in answers} == {(200, b"203 told")}


@pytest.mark.parametrize("mode", MODES)
def test_guests_that_wait_hold_up_nobody(tmp_path: Path, mode: str) -> None:
    """While 16 guests wait, others are answered, one after the other and at once."""
    with served(tmp_path, mode, "60s") as (executor, outside), ThreadPoolExecutor(32) as clients:
        waiting = [clients.submit(at_gate, executor, outside) for _ in range(16)]
        try:
            assert outside.wait_for(16, seconds=50)
            assert [ask(executor.address, request("/hello")).status for _ in range(8)] == [200] * 8
            assert set(clients.map(lambda _: ask(executor.address, request("/hello")).status, range(16))) == {
                200
            }
            assert not any(each.done() for each in waiting)
        finally:
            outside.open()
        assert {each.result().status for each in waiting} == {200}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("count", [1, 20])
def test_a_guest_that_is_blocked_past_its_limit_is_alone_with_it(
    tmp_path: Path, mode: str, count: int
) -> None:
    """Guests blocked in a host call get 504 at their limit; others are answered before, meanwhile and after."""
    with served(tmp_path, mode, "1s") as (executor, outside), ThreadPoolExecutor(count) as clients:
        for _ in range(2):
            blocked = [clients.submit(at_gate, executor, outside) for _ in range(count)]
            while not all(each.done() for each in blocked):
                assert ask(executor.address, request("/hello")).status == 200
            assert [each.result().status for each in blocked] == [504] * count
            until(lambda: executor.call("inspect")["in_flight"] == 0)  # none of them is blocked any more
        assert executor.process.poll() is None
        assert executor.call("inspect")["failures"] == 2 * count


@pytest.mark.parametrize("mode", MODES)
def test_a_sleep_ends_with_the_time_of_its_request(tmp_path: Path, mode: str) -> None:
    """In the executor's own thread, which nothing can end: it goes on, and no process had to take its place."""
    with served(tmp_path, mode, "1s") as (executor, _):
        for _ in range(2):
            assert ask(executor.address, request("/sleep?3600000")).status == 504
            until(lambda: executor.call("inspect")["in_flight"] == 0)
            assert ask(executor.address, request("/hello")).status == 200
        assert executor.call("inspect")["processes"] == 1
