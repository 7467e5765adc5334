"""Measuring: every server of a case in turn, round after round, so that a drifting machine is fair to all."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench import load, usage
from tests.bench.errors import BenchError
from tests.bench.servers import Server


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure; the default takes a quarter of an hour for all cases, the quick one a third of that."""

    rounds: int = 3
    seconds: int = 2
    connections: tuple[int, ...] = (1, 16, 128)


QUICK = Effort(rounds=1, seconds=1)
Sample = Mapping[str, float]
# (connections, peer name) → one sample a round.
Samples = Mapping[tuple[int, str], Sequence[Sample]]


def measure(
    servers: Sequence[Server], effort: Effort, progress: Callable[[str], None], script: Path | None = None
) -> Samples:
    """Warm every server up, then take samples of each in turn; raises BenchError."""
    for server in servers:
        _loaded(server, max(effort.connections), 1, script)
        usage.wait_idle(server.pid)
    samples: dict[tuple[int, str], list[Sample]] = defaultdict(list)
    for number in range(effort.rounds):
        progress(f"round {number + 1} of {effort.rounds}")
        for connections in effort.connections:
            # A B C, then C B A: nobody is always first.
            for server in servers if number % 2 == 0 else reversed(servers):
                samples[connections, server.peer_name].append(
                    _sample(server, connections, effort.seconds, script)
                )
    return samples


def _sample(server: Server, connections: int, seconds: int, script: Path | None) -> Sample:
    started, before = time.monotonic(), usage.cpu_seconds(server.pid)
    made = _loaded(server, connections, seconds, script)
    used, took = usage.cpu_seconds(server.pid) - before, time.monotonic() - started
    pss = usage.pss_bytes(server.pid)
    usage.wait_idle(server.pid)
    return {
        "rps": made.rps,
        "cpu_ms": used * 1000 / made.requests,
        "cores": used / took,
        "p50_ms": made.p50_ms,
        "p99_ms": made.p99_ms,
        "pss_mb": pss / 1e6,
    }


def _loaded(server: Server, connections: int, seconds: int, script: Path | None) -> load.Load:
    try:
        return load.run(server.url, connections, seconds, script)
    except BenchError as error:
        raise BenchError(
            f"{server.peer_name or 'wasmdeploy'} with {connections} connections: {error}"
        ) from error
