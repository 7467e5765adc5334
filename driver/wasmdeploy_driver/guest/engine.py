"""wasmtime's engine: one configuration for compiling and running, and the clock that interrupts guests."""

from __future__ import annotations

import hashlib
import platform
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from importlib import metadata
from pathlib import Path

import wasmtime
from wasmtime.component import Component, Linker

from wasmdeploy_driver.errors import GuestTimeout
from wasmdeploy_driver.guest import adapter
from wasmdeploy_driver.guest.bounds import Bounds
from wasmdeploy_driver.guest.capi import check_version, use_pool
from wasmdeploy_driver.guest.clock import TICK_SECONDS, Clock, CpuLimit, Watch

# Go's encoding/json overflows wasmtime's default of 512 KiB; wasmtime refuses more than 2 MiB.
_WASM_STACK = 2 << 20
_SETTINGS = f"epochs stack={_WASM_STACK} v1"
_DAY = int(86_400 / TICK_SECONDS)


@cache
def fingerprint(*, fuel: bool = False) -> str:
    """What compiled code depends on beside the guest: wasmtime, the settings, the adapter and the processor."""
    settings = f"{_SETTINGS} fuel" if fuel else _SETTINGS
    parts = (metadata.version("wasmtime"), settings, adapter.digest(), _processor())
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()


def _processor() -> str:
    """The machine and the instructions it offers: a cache directory may move to another one."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return (
        f"{platform.machine()} {next((line for line in lines if line.startswith(('flags', 'Features'))), '')}"
    )


def _config(*, fuel: bool) -> wasmtime.Config:
    config = wasmtime.Config()
    config.consume_fuel = fuel
    config.epoch_interruption = True
    config.max_wasm_stack = _WASM_STACK
    use_pool(config)
    return config


def warm() -> None:
    """Find out what every engine asks of the machine; processes that are forked off this one know it then."""
    check_version()
    for fuel in (False, True):
        fingerprint(fuel=fuel)
        _config(fuel=fuel)


_prepared: deque[tuple[wasmtime.Engine, Linker]] = deque(maxlen=1)


def prepare() -> None:
    """Make what the next engine is of, and its first linker, beforehand; starts no thread."""
    raw = wasmtime.Engine(_config(fuel=False))
    _prepared.append((raw, _linker(raw)))


def _linker(raw: wasmtime.Engine) -> Linker:
    linker = Linker(raw)
    linker.add_wasip2()
    linker.add_wasi_http()
    return linker


class Engine:
    """What compiles and runs; compiled code of one engine runs on any other with the same fingerprint.

    `watch` is called at every tick of the clock while guests run. With `fuel`, guests count their instructions.
    """

    def __init__(self, watch: Watch | None = None, *, fuel: bool = False) -> None:
        check_version()
        self.fuel = fuel
        self._linkers: list[Linker] = []
        if _prepared and not fuel:
            self.raw, linker = _prepared.pop()
            self._linkers.append(linker)
        else:
            self.raw = wasmtime.Engine(_config(fuel=fuel))
        self._clock = Clock(self.raw.increment_epoch, watch)

    def linker(self) -> Linker:
        """A new linker that offers what wasmtime itself serves of WASI."""
        return self._linkers.pop() if self._linkers else _linker(self.raw)

    def timed(self, bounds: Bounds) -> AbstractContextManager[None]:
        """Keep the clock going while a guest runs; raises GuestTimeout where its own computing was over the limit."""
        return self._computing(bounds) if bounds.cpu_seconds else self._clock

    @contextmanager
    def _computing(self, bounds: Bounds) -> Iterator[None]:
        limit = CpuLimit(bounds.cpu_seconds, lambda: self._interrupt(bounds))
        self._clock.start(limit)
        try:
            yield
        except (wasmtime.WasmtimeError, wasmtime.Trap) as error:
            if limit.reached:
                raise GuestTimeout(f"the guest computed for more than {bounds.cpu_seconds:g} s") from error
            raise
        finally:
            self._clock.stop(limit)

    def _interrupt(self, bounds: Bounds) -> None:
        """Let the deadline of what runs be over now."""
        for _ in range(ticks(bounds)):
            self.raw.increment_epoch()


def ticks(bounds: Bounds) -> int:
    """The epoch deadline of a run."""
    if bounds.seconds:
        return int(bounds.seconds / TICK_SECONDS) + 1
    # With a limit of the guest's own time, the clock must be able to run up to the deadline: a day from now.
    return _DAY if bounds.cpu_seconds else 1 << 40


def component_from(engine: Engine, compiled: Path) -> Component:
    """Map a compiled component; the cache has made sure that only we could have written it."""
    return Component.deserialize_file(engine.raw, str(compiled))


def module_from(engine: Engine, compiled: Path) -> wasmtime.Module:
    """Map a compiled core module."""
    return wasmtime.Module.deserialize_file(engine.raw, str(compiled))
