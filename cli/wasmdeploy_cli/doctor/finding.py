"""`Finding`: what one check saw."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from wasmdeploy_cli.errors import WasmdeployError

Severity = Literal["ok", "note", "warning", "error"]
Area = Literal["app", "node", "cluster"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's result: `evidence` is what was seen, `fix` the command or setting that mends it.

    note: could not be checked, or is worth knowing; warning: works, but not for long or not for all; error: a
    deploy fails, or requests do.
    """

    area: Area
    check: str
    severity: Severity
    message: str
    evidence: str = ""
    fix: str = ""


def failed(area: Area, check: str, error: WasmdeployError) -> Finding:
    """The finding that an error is."""
    return Finding(area, check, "error", error.message, "", error.hint)


def worst(findings: Iterable[Finding]) -> Severity:
    """The worst severity among them."""
    order: tuple[Severity, ...] = ("ok", "note", "warning", "error")
    return max((each.severity for each in findings), key=order.index, default="ok")
