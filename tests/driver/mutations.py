"""Seeded damage: what comes out of a broken disk, a hostile job or a program of another version."""

from __future__ import annotations

import random
from typing import Any

_ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1 << 40, 10**30, 1.5, float("inf"), float("nan"), "", "\0", "x" * 10_000, "..", "/", "\ud800",
    "ü\n\x1b", [], {}, [[]], {"": {}}, [None], b"\xff",
)  # fmt: skip


def bytes_of(chance: random.Random, data: bytes) -> bytes:
    """The bytes with some changed, cut, doubled or put in between."""
    damaged = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(damaged) + 1)
        match chance.randrange(5):
            case 0 if at < len(damaged):
                damaged[at] ^= 1 << chance.randrange(8)
            case 1:
                del damaged[at : at + chance.randrange(1, 20)]
            case 2:
                damaged[at:at] = chance.randbytes(chance.randrange(1, 10))
            case 3:
                damaged[at:at] = damaged[at : at + 30]
            case _:
                del damaged[at:]
    return bytes(damaged)


def value_of(chance: random.Random, value: Any, odd: tuple[Any, ...] = _ODD) -> Any:
    """The value with one part of it changed, left out, or something odd put in its place."""
    if isinstance(value, dict) and value and chance.random() < 0.9:
        key = chance.choice(list(value))
        match chance.randrange(6):
            case 0:
                return {name: each for name, each in value.items() if name != key}
            case 1:
                return {**value, chance.choice(("more", "", "\0", key + "x")): chance.choice(odd)}
            case _:
                return {**value, key: value_of(chance, value[key], odd)}
    if isinstance(value, list) and value and chance.random() < 0.9:
        at = chance.randrange(len(value))
        return [*value[:at], value_of(chance, value[at], odd), *value[at + 1 :]]
    return chance.choice(odd)
