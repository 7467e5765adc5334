"""The benchmark's command line: builds guests, measures, prints the table, writes build/bench.json."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from tests.bench import deploys, load, node, programs, readme, report, servers, waits
from tests.bench.cases import CASES, Case, selected
from tests.bench.errors import BenchError
from tests.bench.measure import QUICK, Effort, measure

_BUILD = Path(__file__).parents[2] / "build"
_NAMES = (*(case.name for case in CASES), *waits.CASES, *node.CASES, *deploys.CASES)


def main() -> int:
    """Run the benchmark; 1 where it could not be, 130 where it was stopped."""
    options = _options()
    if options.readme:
        return _readme()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    try:
        found = _bench(
            selected(options.only, (*_NAMES, *node.LONG) if options.only else _NAMES),
            QUICK if options.quick else Effort(),
        )
    except BenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    (_BUILD / "bench.json").write_text(report.as_json(found))
    print(report.table(found), end="")
    judged = [met for row in found for met in (row.met, row.ratio_met) if met is not None]
    print(f"{sum(judged)} of {len(judged)} goals met")
    return 0


def _readme() -> int:
    file = _BUILD.parent / "README.md"
    try:
        measured = json.loads((_BUILD / "bench.json").read_text())
        file.write_text(readme.replaced(file.read_text(), measured))
    except (BenchError, FileNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short rounds: a first impression")
    parser.add_argument("--readme", action="store_true", help="write README's table from the last run")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="CASE",
        help=f"only this one of {', '.join((*_NAMES, *node.LONG))}",
    )
    return parser.parse_args()


def _bench(names: tuple[str, ...], effort: Effort) -> list[report.Row]:
    cases = [case for case in CASES if case.name in names]
    programs.require("wrk", "cargo", *(name for case in cases for name in case.guest.programs))
    wasmtime = programs.peer()
    started = time.monotonic()
    busy = os.getloadavg()[0]
    if busy > 0.5:
        _say(f"note: this machine is busy (load {busy:.1f}); a quiet one gives better figures")
    built: dict[str, bytes] = {}
    found = []
    for case in cases:
        found += _case(case, wasmtime, effort, built)
    slow = [name for name in names if name in waits.CASES]
    if slow:
        found += waits.rows(slow, wasmtime, _BUILD / "bench", effort, _say)
    ours = [name for name in names if name in (*node.CASES, *node.LONG)]
    if ours:
        found += node.rows(ours, wasmtime, _BUILD / "bench", effort, _say)
    if deploys.CASES[0] in names:
        found += deploys.rows(wasmtime, _BUILD / "bench" / "deploy", effort, _say)
    _say(f"measured in {time.monotonic() - started:.0f} s on {os.cpu_count()} cores")
    return found


def _case(case: Case, wasmtime: Path, effort: Effort, built: dict[str, bytes]) -> list[report.Row]:
    wasm = servers.guest_file(case.name, case.mode, _BUILD / "bench")
    if case.guest.name not in built:
        _say(f"{case.name}: building the guest")
        case.guest.build(wasm)
        built[case.guest.name] = wasm.read_bytes()
    wasm.write_bytes(built[case.guest.name])
    script = load.post(case.sent, wasm.parent) if case.sent else None
    _say(f"{case.name}: starting the servers")
    with ExitStack() as stack:
        started = [
            stack.enter_context(servers.running(command, wasm.with_name(f"server-{number}.log"), case))
            for number, command in enumerate(
                servers.commands(wasm, wasmtime if case.peer else None, case.mode)
            )
        ]
        samples = measure(started, effort, lambda text: _say(f"{case.name}: {text}"), script)
        return report.rows(case.name, samples)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
