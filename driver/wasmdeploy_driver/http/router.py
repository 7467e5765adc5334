"""Routes: which component answers a path."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from wasmdeploy_driver.errors import ConfigError

T = TypeVar("T")
_WILDCARD = "/..."


@dataclass(frozen=True, slots=True)
class Route(Generic[T]):
    """A pattern and what answers it: `/a` matches itself, `/a/...` also what lies below."""

    pattern: str
    target: T


class Router(Generic[T]):
    """Finds the most specific route: an exact one first, then the longest wildcard."""

    def __init__(self, routes: Iterable[Route[T]]) -> None:
        self._exact: dict[bytes, Route[T]] = {}
        self._below: list[tuple[bytes, Route[T]]] = []
        for route in routes:
            base = route.pattern.removesuffix(_WILDCARD)
            if not route.pattern.startswith("/") or "..." in base:
                raise ConfigError(f"route {route.pattern!r} must start with / and may end with /...")
            key = base.rstrip("/").encode()
            if route.pattern.endswith(_WILDCARD):
                self._below.append((key, route))
            elif self._exact.setdefault(key, route) is not route:
                raise ConfigError(f"route {route.pattern!r} is given twice")
        self._below.sort(key=lambda item: len(item[0]), reverse=True)
        bases = [base for base, _ in self._below]
        if len(set(bases)) != len(bases):
            raise ConfigError("a wildcard route is given twice")

    def find(self, path: bytes) -> Route[T] | None:
        """The route of a raw path, None where there is none; a trailing slash does not matter."""
        trimmed = path.rstrip(b"/")
        if (route := self._exact.get(trimmed)) is not None:
            return route
        for base, route in self._below:
            if trimmed == base or path.startswith(base + b"/"):
                return route
        return None
