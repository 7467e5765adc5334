"""Durations as people write them: `30s`, `1m30s`, `250ms`, `0`."""

from __future__ import annotations

import re

from wasmdeploy_driver.errors import ConfigError

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")
# Ten years: what is longer is a slip, and would overflow clocks further down.
_MOST = 10 * 365 * 86400.0


def seconds(text: str, where: str) -> float:
    """The duration in seconds; raises ConfigError. `0` needs no unit."""
    if text == "0":
        return 0.0
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ConfigError(f"{where}: {text!r} is no duration", "write it as 30s, 1m30s or 250ms")
    total = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if total > _MOST:
        raise ConfigError(f"{where}: {text[:40]!r} is too long", "write 0 for no limit")
    return total
