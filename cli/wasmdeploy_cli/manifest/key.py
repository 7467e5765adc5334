"""The metadata of a manifest key, which the reader, its hints and the reference share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def doc(line: str, check: Callable[[Any], str] | None = None, **metadata: Any) -> dict[str, Any]:
    """Metadata of a key: its reference line, and the check that says what is wrong with a value (or nothing).

    Others: `names` does the same for the keys of a table; `single` takes one string for a list of one;
    `no_table` names what a table in its place would be, which is not served yet.
    """
    return {"doc": line, "check": check, **metadata}
