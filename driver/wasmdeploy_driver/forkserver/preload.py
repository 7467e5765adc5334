"""What executors use sooner or later, loaded once: a page that nobody writes to is in memory once for all of them."""

from __future__ import annotations

import asyncio
import gc
from importlib import import_module

from wasmdeploy_driver.forkserver import heap

# By name, since most are imported late elsewhere: a command needs no front, and an app without secrets no hvac.
_MODULES = (
    "concurrent.futures.thread",
    "fcntl",
    "hvac",
    "hvac.exceptions",
    "requests",
    "wasmdeploy_driver.executor.process",
    "wasmdeploy_driver.guest.answerer",
    "wasmdeploy_driver.guest.cache",
    "wasmdeploy_driver.guest.command",
    "wasmdeploy_driver.guest.component",
    "wasmdeploy_driver.guest.module",
    "wasmdeploy_driver.guest.reuse",
    "wasmdeploy_driver.http.http2.connection",
)


def preload() -> None:
    """Import it all, and find out once what each of them would; starts no thread."""
    for name in _MODULES:
        import_module(name)
    from wasmdeploy_driver.executor import confine
    from wasmdeploy_driver.executor.launch import Launch
    from wasmdeploy_driver.executor.rehearsal import sample
    from wasmdeploy_driver.guest.engine import warm

    warm()
    confine.warm()
    Launch.from_json(sample().to_json())
    asyncio.new_event_loop().close()


def settle() -> None:
    """Be done with memory before the first fork: what forked processes do not write to stays shared."""
    gc.collect()
    heap.settle()
    gc.freeze()  # the collector would write to it
