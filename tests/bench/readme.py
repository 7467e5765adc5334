"""README's table of speed, made from build/bench.json and from nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tests.bench.errors import BenchError

BEGIN, END = "<!-- from build/bench.json: python -m tests.bench --readme -->\n", "<!-- end -->\n"
_CONNECTIONS = "-c16"
_HEAD = (
    "| case | CPU here | `wasmtime serve` | ratio | with one worker thread | ratio | goals |\n"
    "|---|---|---|---|---|---|---|\n"
)
_CELLS = 7


def replaced(readme: str, rows: Iterable[Mapping[str, Any]]) -> str:
    """README with its table made anew; raises BenchError where it has no place for one."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise BenchError(f"README.md has no {BEGIN.strip()} … {END.strip()}")
    return before + begin + "\n" + table(rows) + "\n" + end + after


def table(rows: Iterable[Mapping[str, Any]]) -> str:
    """CPU per request with 16 connections, a line for each case."""
    cases: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["metric"] == "cpu_ms" and row["case"].endswith(_CONNECTIONS):
            cases.setdefault(row["case"].removesuffix(_CONNECTIONS), []).append(row)
    if not cases:
        raise BenchError("build/bench.json has no figures with 16 connections: run `make bench` first")
    return _HEAD + "".join(_line(name, found) for name, found in cases.items())


def _line(name: str, found: list[Mapping[str, Any]]) -> str:
    cells = [name, _milliseconds(found[0]["ours"])]
    if found[0]["peer"] is None:
        cells.append("it runs no CGI")
    for row in found:
        if row["peer"] is not None:
            cells += [_milliseconds(row["peer"]), f"{row['ratio']:.2f}"]
    cells += [""] * (_CELLS - 1 - len(cells))
    cells.append(
        ", ".join(f"≤ {row['goal']:.2f} {'met' if row['met'] else 'missed'}" for row in found if row["goal"])
    )
    return "| " + " | ".join(cells) + " |\n"


def _milliseconds(value: float) -> str:
    return f"{value:.2g} ms" if value < 10 else f"{value:.0f} ms"
