"""wasmtime's engine: one configuration for compiling and running, and the clock that interrupts guests."""

from __future__ import annotations

import hashlib
import platform
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

import wasmtime
from wasmtime.component import Component

from wasmdeploy_driver.guest import adapter
from wasmdeploy_driver.guest.capi import check_version, use_pool

# Interrupts come at multiples of this; shorter costs wake-ups, longer makes time limits coarse.
TICK_SECONDS = 0.02
# Go's encoding/json overflows wasmtime's default of 512 KiB; wasmtime refuses more than 2 MiB.
_WASM_STACK = 2 << 20
_SETTINGS = f"epochs stack={_WASM_STACK} v1"


Watch = Callable[[], None]


def no_watch() -> None:
    """Look at nothing."""


def fingerprint() -> str:
    """What compiled code depends on beside the guest: wasmtime, the settings, the adapter and the processor."""
    parts = (metadata.version("wasmtime"), _SETTINGS, adapter.digest(), _processor())
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()


def _processor() -> str:
    """The machine and the instructions it offers: a cache directory may move to another one."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return (
        f"{platform.machine()} {next((line for line in lines if line.startswith(('flags', 'Features'))), '')}"
    )


def _config() -> wasmtime.Config:
    config = wasmtime.Config()
    config.epoch_interruption = True
    config.max_wasm_stack = _WASM_STACK
    use_pool(config)
    return config


class Engine:
    """One engine for a process; compiled code of one engine runs on any other with the same fingerprint."""

    def __init__(self) -> None:
        check_version()
        self.raw = wasmtime.Engine(_config())
        self._active = 0
        self._watches: list[Watch] = []
        self._changed = threading.Condition()
        self._ticker: threading.Thread | None = None

    @contextmanager
    def ticking(self, watch: Watch = no_watch) -> Iterator[None]:
        """Keep the epoch clock going while a guest runs; it stands still when none does.

        `watch` is called at every tick until then, in the clock's thread; it must neither block nor raise.
        """
        with self._changed:
            self._active += 1
            self._watches.append(watch)
            if self._ticker is None:
                self._ticker = threading.Thread(target=self._tick, name="epochs", daemon=True)
                self._ticker.start()
            elif self._active == 1:
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._active -= 1
                self._watches.remove(watch)

    def _tick(self) -> None:
        pause = threading.Event()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._active > 0)
            pause.wait(TICK_SECONDS)
            with self._changed:  # so that no watch is called once its guest has ended
                for watch in self._watches:
                    watch()
            self.raw.increment_epoch()


def ticks(seconds: float) -> int:
    """The epoch deadline of a time limit; 0 means none."""
    return int(seconds / TICK_SECONDS) + 1 if seconds else 1 << 40


def component_from(engine: Engine, compiled: Path) -> Component:
    """Map a compiled component; the cache has made sure that only we could have written it."""
    return Component.deserialize_file(engine.raw, str(compiled))


def module_from(engine: Engine, compiled: Path) -> wasmtime.Module:
    """Map a compiled core module."""
    return wasmtime.Module.deserialize_file(engine.raw, str(compiled))
