"""Instances that answer more than one request: faster by far, and with what a guest leaves behind still there.

An instance that trapped, ran out of time or did not finish its response is thrown away; the others take
turns, the one used last first, until they have answered `max_requests` or were idle for `max_idle` seconds.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import wasmtime
from wasmtime.component import Instance

from wasmdeploy_driver.errors import GuestTrap
from wasmdeploy_driver.guest.bounds import Bounds
from wasmdeploy_driver.guest.capi import call_run
from wasmdeploy_driver.guest.component import LoadedComponent
from wasmdeploy_driver.guest.sandbox import new_store, renew, translate

# The adapter lets go of a few handles of each request's streams without closing them, since they are gone with the WASI
# context that they came from; wasmtime bounds their number in an instance.
MOST_REQUESTS = 5000


@dataclass(frozen=True, slots=True)
class Reuse:
    """How long an instance is used: for how many requests, and for how many idle seconds (0 for no bound)."""

    max_requests: int
    max_idle: float


@dataclass(slots=True)
class _Live:
    store: wasmtime.Store
    instance: Instance
    requests: int = 0
    idle_since: float = 0.0


class ReusedInstances:
    """Runs requests in instances that stay; safe to call from several threads, each instance in one at a time."""

    def __init__(self, loaded: LoadedComponent, reuse: Reuse) -> None:
        self._loaded = loaded
        self._reuse = reuse
        self._most = min(reuse.max_requests or MOST_REQUESTS, MOST_REQUESTS)
        self._idle: list[_Live] = []
        self._changed = threading.Lock()
        self._sweeper: threading.Timer | None = None

    def run(self, wasi: wasmtime.WasiConfig, bounds: Bounds) -> bool:
        """Run once: True for success; raises Exit, GuestTrap or GuestTimeout."""
        live = self._take()
        try:
            with self._loaded.engine.timed(bounds):
                if live is None:
                    live = self._new(wasi, bounds)
                else:
                    renew(live.store, bounds)
                    live.store.set_wasi(wasi)
                whole = call_run(live.store, live.instance, self._loaded.run_export)
        except (wasmtime.WasmtimeError, GuestTrap) as error:
            if live is not None:
                live.store.close()
            raise translate(error, bounds) from error
        live.requests += 1
        if not whole or live.requests >= self._most:
            live.store.close()
        else:
            self._put(live)
        return whole

    def tidy(self) -> None:
        """Nothing is left of a run but what the next one is for."""

    def _new(self, wasi: wasmtime.WasiConfig, bounds: Bounds) -> _Live:
        store = new_store(self._loaded.engine, bounds)
        store.set_wasi(wasi)
        store.set_wasi_http()
        return _Live(store, self._loaded.instantiate(store))

    def _take(self) -> _Live | None:
        with self._changed:
            return self._idle.pop() if self._idle else None

    def _put(self, live: _Live) -> None:
        live.idle_since = time.monotonic()
        with self._changed:
            self._idle.append(live)
            if self._sweeper is None and self._reuse.max_idle:
                self._sweep_in(self._reuse.max_idle)

    def _sweep_in(self, seconds: float) -> None:
        self._sweeper = threading.Timer(seconds, self._sweep)
        self._sweeper.daemon = True
        self._sweeper.start()

    def _sweep(self) -> None:
        """Close what was idle for too long; what was used last stands at the end of the list."""
        oldest = time.monotonic() - self._reuse.max_idle
        with self._changed:
            gone = [live for live in self._idle if live.idle_since <= oldest]
            self._idle = [live for live in self._idle if live.idle_since > oldest]
            self._sweeper = None
            if self._idle:
                self._sweep_in(self._idle[0].idle_since - oldest)
        for live in gone:
            live.store.close()

    def close(self) -> None:
        """Let go of the idle instances now; nothing may run meanwhile."""
        with self._changed:
            gone, self._idle = self._idle, []
            if self._sweeper is not None:
                self._sweeper.cancel()
                self._sweeper = None
        for live in gone:
            live.store.close()
