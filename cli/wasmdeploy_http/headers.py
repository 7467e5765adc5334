"""Header fields."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

# RFC 9110, sections 5.6.2 and 5.5; a value is what Latin-1 can say.
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


class Headers:
    """Header fields in order; names do not depend on case, and a name may occur more than once.

    Raises ValueError for a name or a value that HTTP cannot carry.
    """

    def __init__(self, items: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        self._items: list[tuple[str, str]] = []
        for name, value in items.items() if isinstance(items, Mapping) else items:
            self.add(name, value)

    def get(self, name: str, default: str | None = None) -> str | None:
        """The first value of `name`."""
        return next((value for key, value in self._items if key == name.lower()), default)

    def get_all(self, name: str) -> list[str]:
        """Every value of `name`, in order."""
        return [value for key, value in self._items if key == name.lower()]

    def add(self, name: str, value: str) -> None:
        """Add a value, beside any that are there."""
        self._items.append((_checked_name(name), _checked_value(name, value)))

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __setitem__(self, name: str, value: str) -> None:
        item = (_checked_name(name), _checked_value(name, value))
        self._items = [*(kept for kept in self._items if kept[0] != item[0]), item]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __eq__(self, other: object) -> bool:
        return self._items == other._items if isinstance(other, Headers) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # it can change

    def __repr__(self) -> str:
        return f"Headers({self._items!r})"


def _checked_name(name: str) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a header")
    return name.lower()


def _checked_value(name: str, value: str) -> str:
    text = str(value)
    if not _VALUE.fullmatch(text):
        raise ValueError(
            f"header {name!r}: the value has a line break, a control character or a character beyond Latin-1: {text!r}"
        )
    return text
