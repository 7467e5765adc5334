"""Why Nomad's scheduler found no place, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def no_place(failed: Mapping[str, Any]) -> str:
    """The reasons in an evaluation's or a plan's `FailedTGAllocs`."""
    reasons = []
    for group in failed.values():
        refused = {**(group.get("ConstraintFiltered") or {}), **(group.get("DimensionExhausted") or {})}
        reasons += [
            f"{why} ({count} node{'' if count == 1 else 's'})" for why, count in sorted(refused.items())
        ]
        if group.get("QuotaExhausted"):
            reasons.append(f"quota exhausted: {', '.join(group['QuotaExhausted'])}")
    return "; ".join(reasons) or "no node in its datacenters is free"
