"""The goals: how much of the peer's cost may be ours, and what slow requests may do to others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Goal:
    """At most so much: of the ratio ours / peer, or of our own value. `aim` is the better one to come to.

    `ratio` bounds the ratio beside our own value: milliseconds depend on the machine, and a ratio hardly does.
    """

    of: Literal["ratio", "ours"]
    most: float
    aim: float | None = None
    ratio: float | None = None

    def met(self, ours: float, ratio: float | None) -> bool:
        """Whether a row comes to it."""
        value = ratio if self.of == "ratio" else ours
        return value is not None and value <= self.most


def _at_least(share: float, aim: float | None = None) -> Goal:
    """A share of the peer's speed per CPU second, as a bound of ours / peer."""
    return Goal("ratio", 1 / share, 1 / aim if aim else None)


# By the beginning of the case's name; the first that fits. CPU per request, against each peer.
_CPU = (
    ("rust-hello-engine", _at_least(0.97)),
    ("python-hello-engine", _at_least(0.97)),
    ("rust-echo-1m", _at_least(0.8)),
    ("rust", _at_least(0.5, 0.8)),
    ("python-hello-reused", _at_least(0.8)),
    ("python-json-reused", _at_least(0.8)),
)
_PYTHON_FRESH = {False: _at_least(3), True: _at_least(0.85)}
# On the machine that these were set for, the peer takes 6 ms from its start to the first answer, and 11 with Python.
_FIRST_ANSWER = {"rust": Goal("ours", 15, ratio=15 / 6), "python": Goal("ours", 25, ratio=25 / 11)}
_OWN = {
    ("slow-mix", "p99_growth"): Goal("ours", 5),
    ("wait-64x1s", "seconds"): Goal("ours", 2.5),
    ("start-rust", "p50_ms"): _FIRST_ANSWER["rust"],
    ("start-python", "p50_ms"): _FIRST_ANSWER["python"],
    ("wake-rust", "p50_ms"): _FIRST_ANSWER["rust"],
    ("wake-python", "p50_ms"): _FIRST_ANSWER["python"],
    ("density-parked", "pss_mb"): Goal("ours", 0.3),
    ("deploy", "seconds"): Goal("ratio", 1.2),
    ("density-rust", "pss_mb"): Goal("ours", 8),
    ("density-python", "pss_mb"): Goal("ours", 13),
}


def goal(case: str, metric: str, peer_name: str | None) -> Goal | None:
    """The goal of a row, None where it has none."""
    for (name, what), own in _OWN.items():
        if metric == what and case.startswith(name):
            return own
    if metric != "cpu_ms" or peer_name is None:
        return None
    if case.startswith(("python-hello-fresh", "python-json-fresh")):
        return _PYTHON_FRESH[peer_name.endswith("1 thread")]
    return next((found for name, found in _CPU if case.startswith(name)), None)
