"""The benchmark's command line: builds guests, measures, prints the table, writes build/bench.json."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from tests.bench import programs, report, servers
from tests.bench.cases import CASES, Case, selected
from tests.bench.errors import BenchError
from tests.bench.measure import QUICK, Effort, measure

_BUILD = Path(__file__).parents[2] / "build"


def main() -> int:
    """Run the benchmark; 1 where it could not be, 130 where it was stopped."""
    options = _options()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    try:
        found = _bench(selected(options.case), QUICK if options.quick else Effort())
    except BenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    (_BUILD / "bench.json").write_text(report.as_json(found))
    print(report.table(found), end="")
    return 0


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short rounds: a first impression")
    names = ", ".join(case.name for case in CASES)
    parser.add_argument(
        "--case", action="append", default=[], metavar="NAME", help=f"only this one of {names}"
    )
    return parser.parse_args()


def _bench(cases: tuple[Case, ...], effort: Effort) -> list[report.Row]:
    programs.require("wrk", *(name for case in cases for name in case.programs))
    wasmtime = programs.peer()
    started = time.monotonic()
    busy = os.getloadavg()[0]
    if busy > 0.5:
        _say(f"note: this machine is busy (load {busy:.1f}); a quiet one gives better figures")
    found = []
    for case in cases:
        found += _case(case, wasmtime, effort)
    _say(f"measured in {time.monotonic() - started:.0f} s on {os.cpu_count()} cores")
    return found


def _case(case: Case, wasmtime: Path, effort: Effort) -> list[report.Row]:
    wasm = servers.guest_file(case, _BUILD / "bench")
    _say(f"{case.name}: building the guest")
    case.build(wasm)
    _say(f"{case.name}: starting the servers")
    with ExitStack() as stack:
        started = [
            stack.enter_context(servers.running(command, wasm.with_name(f"server-{number}.log"), case))
            for number, command in enumerate(servers.commands(case, wasm, wasmtime))
        ]
        return report.rows(case.name, measure(started, effort, lambda text: _say(f"{case.name}: {text}")))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
