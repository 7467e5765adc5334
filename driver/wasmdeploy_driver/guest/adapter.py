"""The adapter's built artifacts, shipped with the package."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

_DIRECTORY = Path(__file__).parent.parent / "adapter"


@cache
def digest() -> str:
    """One digest over every artifact: a new adapter makes composed guests anew."""
    whole = hashlib.sha256()
    for file in sorted(_DIRECTORY.glob("*.wasm")):
        whole.update(file.name.encode() + hashlib.sha256(file.read_bytes()).digest())
    return whole.hexdigest()
