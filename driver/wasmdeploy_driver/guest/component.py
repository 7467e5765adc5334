"""Components: compiled code, linked, and run in a fresh instance."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import wasmtime
from wasmtime.component import ExportIndex, Instance

from wasmdeploy_driver.egress.reach import Reach
from wasmdeploy_driver.errors import GuestError
from wasmdeploy_driver.guest.bounds import Bounds
from wasmdeploy_driver.guest.capi import FreshRuns
from wasmdeploy_driver.guest.engine import Engine, component_from
from wasmdeploy_driver.guest.host import Told, link
from wasmdeploy_driver.guest.sandbox import first_line, new_store, store_limits, translate


class LoadedComponent:
    """A compiled component with its imports linked: every `run` is a fresh instance."""

    def __init__(
        self,
        engine: Engine,
        compiled: Path,
        variables: Mapping[str, str],
        name: str,
        *,
        calls_out: bool = False,
        reach: Reach | None = None,
    ) -> None:
        self.engine = engine
        self.told = Told(reach)
        self._name = name
        try:
            self._component = component_from(engine, compiled)
            self._linker = link(engine, self._component, variables, self.told, calls_out=calls_out)
        except wasmtime.WasmtimeError as error:
            raise self._unloadable(error) from error
        self.run_export = self._find_run(name)
        self._runs = FreshRuns(engine.raw, self._linker, self._component, self.run_export)

    def _unloadable(self, error: wasmtime.WasmtimeError) -> GuestError:
        return GuestError(f"{self._name} cannot be loaded: {first_line(error)}")

    def check(self) -> None:
        """Instantiate once: an import that fits nothing is named now, not at the first request; raises GuestError."""
        store = new_store(self.engine, Bounds(1 << 32, 10, fuel=self.engine.fuel and 1 << 40))
        store.set_wasi(wasmtime.WasiConfig())
        store.set_wasi_http()
        try:
            self.instantiate(store)
        except wasmtime.WasmtimeError as error:
            raise self._unloadable(error) from error

    def _find_run(self, name: str) -> ExportIndex:
        for export in self._component.type.exports(self.engine.raw):
            if export.startswith("wasi:cli/run@"):
                inner = self._component.get_export_index("run", self._component.get_export_index(export))
                if inner is not None:
                    return inner
        raise GuestError(f"{name} does not export wasi:cli/run")

    def instantiate(self, store: wasmtime.Store) -> Instance:
        """A fresh instance in `store`; raises WasmtimeError."""
        return self._linker.instantiate(store, self._component)

    def run(self, wasi: wasmtime.WasiConfig, bounds: Bounds) -> bool:
        """Instantiate and run once: True for success; raises Exit, GuestTrap or GuestTimeout. Then `tidy`."""
        try:
            with self.engine.timed(bounds):
                return self._runs.run(wasi, store_limits(bounds))
        except wasmtime.WasmtimeError as error:
            raise translate(error, bounds) from error

    def prepare(self, wasi: wasmtime.WasiConfig, bounds: Bounds) -> None:
        """Instantiate for the next run now, so that it has not to wait for it; raises WasmtimeError."""
        with self.engine.timed(bounds):
            self._runs.prepare(wasi, store_limits(bounds))

    def tidy(self) -> None:
        """Give up what the last run was in."""
        self._runs.tidy()

    def close(self) -> None:
        """Give up all instances; there is no further run."""
        self._runs.close()
