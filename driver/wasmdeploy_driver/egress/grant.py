"""A grant: what one request's guest may call, for as long as the request lasts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from wasmdeploy_driver.egress.failure import LIMIT_REACHED, CallError
from wasmdeploy_driver.egress.rules import Rules


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many calls one grant is good for: at once, and in all."""

    concurrent: int = 64
    total: int = 10_000


class Call(Protocol):
    """A call under way."""

    def abort(self) -> None:
        """End it now."""
        ...


class Grant:
    """The rules behind a token; `close` may be called from any thread, the rest is the event loop's."""

    __slots__ = ("_bounds", "_calls", "_closed", "_forget", "_loop", "_total", "port", "rules", "token")

    def __init__(
        self,
        token: str,
        port: int,
        rules: Rules,
        *,
        bounds: Bounds,
        loop: asyncio.AbstractEventLoop,
        forget: Callable[[str], object],
    ) -> None:
        self.token = token
        self.port = port
        self.rules = rules
        self._bounds = bounds
        self._loop = loop
        self._forget = forget
        self._calls: set[Call] = set()
        self._total = 0
        self._closed = False

    def enter(self, call: Call, *, full: bool = False) -> None:
        """Count a call in; raises CallError for one too many, here or (`full`) in all."""
        if full or len(self._calls) >= self._bounds.concurrent or self._total >= self._bounds.total:
            raise CallError(LIMIT_REACHED)
        self._total += 1
        self._calls.add(call)
        if self._closed:  # meanwhile, in another thread, which may not have seen this call
            self._cut()

    def leave(self, call: Call) -> None:
        """Count a call out."""
        self._calls.discard(call)

    def close(self) -> None:
        """Make the token worthless, and cut what was opened with it."""
        self._closed = True
        self._forget(self.token)
        if self._calls:
            with contextlib.suppress(RuntimeError):  # the loop is closed, and its connections with it
                self._loop.call_soon_threadsafe(self._cut)

    def _cut(self) -> None:
        for call in tuple(self._calls):
            call.abort()
