"""Results: the median of each metric, ours beside each peer, as rows, JSON and a table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import median
from typing import Literal

from tests.bench.goals import goal
from tests.bench.measure import Sample, Samples

Better = Literal["lower", "higher"]
# metric: unit and which way is better.
METRICS: dict[str, tuple[str, Better]] = {
    "rps": ("1/s", "higher"),
    "cpu_ms": ("ms/request", "lower"),
    "p50_ms": ("ms", "lower"),
    "p99_ms": ("ms", "lower"),
    "pss_mb": ("MB", "lower"),
}
# Of the cases of slow requests.
OTHERS: dict[str, tuple[str, Better]] = {
    "p99_alone_ms": ("ms", "lower"),
    "p99_mixed_ms": ("ms", "lower"),
    "p99_growth": ("times", "lower"),
    "seconds": ("s", "lower"),
    "start_seconds": ("s", "lower"),
    # Of the cases of a node: what the apps share, and the plugin's own CPU, for a start and at rest.
    "shared_mb": ("MB", "lower"),
    "plugin_ms": ("ms/start", "lower"),
    "plugin_percent": ("% of a core", "lower"),
}
_HEAD = ("case", "metric", "unit", "ours", "peer", "ratio", "peer name", "goal")


@dataclass(frozen=True, slots=True)
class Row:
    """One metric of one case beside one peer; `ratio` is ours / peer.

    `case` ends in -c16 for 16 connections and has no such end for one. Where no peer runs the guest, `peer`,
    `peer_name` and `ratio` are None. `goal` is the most that `ratio` may be, or `ours` where `goal_of` says so; `aim`
    is the better one to come to. Where `ours` has a goal, `ratio` may have one, too: `ratio_goal`.
    """

    case: str
    metric: str
    unit: str
    ours: float
    peer: float | None
    peer_name: str | None
    ratio: float | None
    better: Better
    goal: float | None = None
    goal_of: str | None = None
    aim: float | None = None
    met: bool | None = None
    ratio_goal: float | None = None
    ratio_met: bool | None = None


def rows(case: str, samples: Samples) -> list[Row]:
    """The rows of one case: by connections, then metric, then peer."""
    medians = {key: _medians(taken) for key, taken in samples.items()}
    found = []
    for connections in dict.fromkeys(connections for connections, _ in medians):
        name = case if connections == 1 else f"{case}-c{connections}"
        ours = medians[connections, ""]
        peers = [(peer, values) for (count, peer), values in medians.items() if count == connections and peer]
        for metric in METRICS:
            if not peers:
                found.append(_row(name, metric, ours[metric], None, None))
            found += [_row(name, metric, ours[metric], values[metric], peer) for peer, values in peers]
    return found


def _medians(taken: Sequence[Sample]) -> dict[str, float]:
    return {metric: median(sample[metric] for sample in taken) for metric in METRICS}


def other_rows(case: str, values: Mapping[str, Mapping[str, float]]) -> list[Row]:
    """The rows of a case that is measured another way; `values` by peer name (empty for ours), then metric."""
    ours = values[""]
    found = []
    for metric, value in ours.items():
        peers = [(name, theirs[metric]) for name, theirs in values.items() if name and metric in theirs]
        found += [_row(case, metric, value, peer, name) for name, peer in peers or ((None, None),)]
    return found


def _row(case: str, metric: str, ours: float, peer: float | None, peer_name: str | None) -> Row:
    unit, better = {**METRICS, **OTHERS}[metric]
    ratio = None if peer is None else round(ours / peer, 3)
    row = Row(
        case, metric, unit, round(ours, 4), None if peer is None else round(peer, 4), peer_name, ratio, better
    )
    wanted = goal(case, metric, peer_name)
    if wanted is None:
        return row
    met = wanted.met(ours, ratio)
    row = replace(row, goal=round(wanted.most, 3), goal_of=wanted.of, aim=wanted.aim, met=met)
    if wanted.ratio is None or ratio is None:
        return row
    return replace(row, ratio_goal=round(wanted.ratio, 3), ratio_met=ratio <= wanted.ratio)


def as_json(found: Iterable[Row]) -> str:
    """A JSON list with an object for each row."""
    return json.dumps([asdict(row) for row in found], indent=1) + "\n"


def table(found: Sequence[Row]) -> str:
    """Aligned columns, numbers to the right."""
    lines = [_HEAD, *(_cells(row) for row in found)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "".join(_line(cells, widths) for cells in lines)


def _cells(row: Row) -> tuple[str, ...]:
    numbers = (_number(row.ours), _number(row.peer), "-" if row.ratio is None else f"{row.ratio:.2f}")
    return row.case, row.metric, row.unit, *numbers, row.peer_name or "-", _goal(row)


def _goal(row: Row) -> str:
    if row.goal is None:
        return ""
    said = ("" if row.goal_of == "ratio" else "ours ") + _judged(row.goal, row.met)
    if row.ratio_goal is not None:
        said += f", ratio {_judged(row.ratio_goal, row.ratio_met)}"
    return f"{said} (aim {row.aim:.2f})" if row.aim is not None else said


def _judged(most: float, met: bool | None) -> str:
    return f"≤ {most:.2f} {'met' if met else 'MISSED'}"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    aligned = (
        cell.rjust(width) if column in ("ours", "peer", "ratio") else cell.ljust(width)
        for column, cell, width in zip(_HEAD, cells, widths, strict=True)
    )
    return "  ".join(aligned).rstrip() + "\n"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
