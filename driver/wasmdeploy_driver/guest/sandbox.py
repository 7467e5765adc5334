"""What a guest runs in: its store with the limits, its WASI context, and what its end means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Protocol

import wasmtime

from wasmdeploy_driver.errors import GuestTimeout, GuestTrap
from wasmdeploy_driver.guest.bounds import Bounds
from wasmdeploy_driver.guest.capi import StoreLimits, open_network
from wasmdeploy_driver.guest.engine import Engine, ticks
from wasmdeploy_driver.guest.preopen import Preopen


class Runner(Protocol):
    """Runs a guest once, in a fresh instance or in one that stays."""

    def run(self, wasi: wasmtime.WasiConfig, bounds: Bounds) -> bool:
        """Run once: True for success; raises Exit, GuestTrap or GuestTimeout. `tidy` is for after it."""
        ...

    def tidy(self) -> None:
        """Give up what the last run was in, where that is not done yet."""
        ...


class Exit(Exception):  # noqa: N818  # no error: a guest may end itself
    """The guest called exit."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def new_store(engine: Engine, bounds: Bounds) -> wasmtime.Store:
    """A store with the limits applied and the deadline running."""
    store = wasmtime.Store(engine.raw)
    store.set_limits(
        memory_size=bounds.memory, table_elements=bounds.tables, instances=bounds.instances or -1
    )
    renew(store, bounds)
    return store


@lru_cache(maxsize=64)
def store_limits(bounds: Bounds) -> StoreLimits:
    """The same limits in wasmtime's terms."""
    return StoreLimits(bounds.memory, bounds.tables, bounds.instances or -1, ticks(bounds), bounds.fuel)


def renew(store: wasmtime.Store, bounds: Bounds) -> None:
    """Let the deadline and the fuel of one run begin now."""
    store.set_epoch_deadline(ticks(bounds))
    if bounds.fuel:
        store.set_fuel(bounds.fuel)


class Context:
    """What every run of a guest sees in the same way: its environment, arguments and directories.

    `network` opens all of it: for a guest that was composed with the adapter's sockets, and for no other.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        args: Iterable[str] = (),
        preopens: Iterable[Preopen] = (),
        *,
        network: bool = False,
    ) -> None:
        self._environment = dict(environment)
        self._args = tuple(args)
        self._preopens = tuple(preopens)
        self._network = network

    def wasi(
        self, environment: Mapping[str, str] | None = None, args: tuple[str, ...] = ()
    ) -> wasmtime.WasiConfig:
        """A WASI context for one run, with more of an environment and other arguments where they are given."""
        wasi = wasmtime.WasiConfig()
        if environment:
            wasi.env = list({**self._environment, **environment}.items())
        elif self._environment:
            wasi.env = list(self._environment.items())
        if found := args or self._args:
            wasi.argv = list(found)
        for preopen in self._preopens:
            wasi.preopen_dir(preopen.host, preopen.guest, fs_mutable=not preopen.readonly)
        if self._network:
            open_network(wasi)
        return wasi


def translate(error: Exception, bounds: Bounds) -> Exception:
    """What a failed run means: Exit, GuestTimeout or GuestTrap with wasmtime's words and backtrace."""
    if isinstance(error, GuestTrap):
        return error
    if isinstance(error, wasmtime.ExitTrap):
        return Exit(error.code)
    text = error.message if isinstance(error, wasmtime.Trap) else str(error)
    if "all fuel consumed" in text:
        return GuestTimeout(f"the guest used more than {bounds.fuel} fuel")
    if "wasm trap: interrupt" in text:
        return GuestTimeout(f"the guest ran longer than {bounds.seconds:g} s")
    return GuestTrap(text)


def first_line(error: Exception) -> str:
    """wasmtime's message and its innermost cause in one line."""
    lines = [
        line.strip() for line in str(error).splitlines() if line.strip() and line.strip() != "Caused by:"
    ]
    if not lines:
        return type(error).__name__
    return lines[0] if len(lines) == 1 else f"{lines[0]}: {lines[-1].lstrip('0123456789: ')}"
