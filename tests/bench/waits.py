"""What slow requests do to others: measured at a fixed rate, so that nobody is asked less because it is slow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from tests.bench import report, servers, usage
from tests.bench.measure import Effort
from tests.bench.openloop import Request, Timed, run
from tests.conformance.upstream import Upstream, upstream

CASES = ("slow-mix-waiting", "slow-mix-computing", "wait-64x1s")
# A quarter of all requests are slow ones.
_FAST_RATE, _SLOW_RATE = 150, 50
_TOGETHER = 64
_URL = "http://"


def rows(
    names: Iterable[str], wasmtime: Path, directory: Path, effort: Effort, say: Callable[[str], None]
) -> list[report.Row]:
    """Measure these cases with one guest in all servers, each server in turn; raises BenchError."""
    from tests.conformance.servers import guest

    wasm = servers.guest_file("waits", "fresh", directory)
    wasm.write_bytes(guest("rust").read_bytes())
    with ExitStack() as stack:
        outside = stack.enter_context(upstream())
        started = {}
        for number, command in enumerate(servers.commands(wasm, wasmtime)):
            log = wasm.with_name(f"server-{number}.log")
            process, url = stack.enter_context(servers.listening(command, log))
            started[command.peer_name] = (process.pid, url.removeprefix(_URL))
        return [row for name in names for row in _measured(name, started, outside, effort, say)]


def _measured(
    name: str,
    started: Mapping[str, tuple[int, str]],
    outside: Upstream,
    effort: Effort,
    say: Callable[[str], None],
) -> list[report.Row]:
    taken: dict[str, list[Sequence[Timed]]] = {peer: [] for peer in started}
    for pid, authority in started.values():
        # A cold start would make the fast requests slow while they are alone, and so every goal easy to meet.
        run(authority, _plans(name, outside.authority, 2)[-1])
        usage.wait_idle(pid)
    for number in range(effort.rounds):
        say(f"{name}: round {number + 1} of {effort.rounds}")
        for peer, (pid, authority) in started.items() if number % 2 == 0 else reversed(started.items()):
            for plan in _plans(name, outside.authority, effort.seconds * 2):
                taken[peer].append(run(authority, plan))
                usage.wait_idle(pid)
    return report.other_rows(name, {peer: _values(name, found) for peer, found in taken.items()})


def _plans(name: str, outside: str, seconds: int) -> list[list[Request]]:
    """The runs of one round: for a mix the fast requests alone, then with the slow ones between them."""
    if name.startswith("wait"):
        return [[Request(0.0, f"/fetch?{outside}/slow?1000", "slow")] * _TOGETHER]
    slow = f"/fetch?{outside}/slow?250" if name == "slow-mix-waiting" else "/burn?10"
    fast = [Request(at / _FAST_RATE, "/hello", "fast") for at in range(_FAST_RATE * seconds)]
    others = [Request(at / _SLOW_RATE, slow, "slow") for at in range(_SLOW_RATE * seconds)]
    return [fast, sorted([*fast, *others], key=lambda request: request.at)]


def _values(name: str, found: Sequence[Sequence[Timed]]) -> dict[str, float]:
    if name.startswith("wait"):
        return {"seconds": median(max(timed.seconds for timed in each) for each in found)}
    alone, mixed = (_p99([timed for each in found[first::2] for timed in each]) for first in (0, 1))
    return {"p99_alone_ms": alone, "p99_mixed_ms": mixed, "p99_growth": mixed / alone}


def _p99(found: Iterable[Timed]) -> float:
    fast = sorted(timed.seconds for timed in found if timed.kind == "fast")
    return fast[len(fast) * 99 // 100] * 1000
