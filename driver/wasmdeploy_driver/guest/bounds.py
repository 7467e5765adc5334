"""The limits of one run of a guest."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of one run; 0 means none where nothing else is said.

    `memory` is linear memory in bytes, `seconds` wall time, `cpu_seconds` the guest's own computing. `tables` counts
    the entries of one table, a host pointer each: without a bound they would be a way around the limit of memory.
    `fuel` counts instructions as wasmtime does, for an engine that counts them.
    `instances` counts core instances, of which a component has about ten.
    """

    memory: int
    seconds: float
    cpu_seconds: float = 0
    fuel: int = 0
    tables: int = 1 << 20
    instances: int = 0
