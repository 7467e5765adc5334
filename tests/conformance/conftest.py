"""What the conformance tests tell at their end: where `wasmtime serve` does otherwise, and why."""

from __future__ import annotations

from typing import Any

from tests.conformance.cases import CASES, Difference, NotAsked


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """List the known differences, each of which the tests have held to be exactly that."""
    ran = any("conformance/test_http" in report.nodeid for report in terminalreporter.getreports("passed"))
    if not ran:
        return
    terminalreporter.section("where `wasmtime serve` differs, and why", sep="-")
    for case in CASES:
        if isinstance(case.peer, Difference):
            ours = case.wanted("request")
            terminalreporter.line(
                f"{case.name}: {case.peer.outcome!r} instead of {ours!r}: {case.peer.reason}"
            )
        elif isinstance(case.peer, NotAsked):
            terminalreporter.line(f"{case.name}: not asked: {case.peer.reason}")
