"""An egress connector in an event loop of its own, for tests that call it from outside."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from wasmdeploy_driver.egress.connector import Egress
from wasmdeploy_driver.egress.grant import Grant
from wasmdeploy_driver.egress.inbound import Internal
from wasmdeploy_driver.egress.rules import parse_rules


class Running:
    """A connector that listens on `port`."""

    def __init__(self, egress: Egress, internal: Internal) -> None:
        self.egress = egress
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(egress.start(internal), self._loop).result()

    def grant(self, *rules: str) -> Grant:
        """A grant for the rules."""
        return self.egress.grant(parse_rules(rules))

    def call(self, function: Callable[[], object]) -> object:
        """Call a function in the loop's thread."""

        async def work() -> object:
            return function()

        return asyncio.run_coroutine_threadsafe(work(), self._loop).result()

    def close(self) -> None:
        """Stop it, and let its connections end."""
        self.call(self.egress.stop)
        asyncio.run_coroutine_threadsafe(_settle(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _settle() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.sleep(0)
    await asyncio.sleep(0)


@contextmanager
def running(egress: Egress | None = None, internal: Internal = lambda _name: None) -> Iterator[Running]:
    """A connector that listens, until the end of the block."""
    started = Running(egress or Egress(), internal)
    try:
        yield started
    finally:
        started.close()
