"""Components, and HTTP guests: those that were composed with the adapter."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import wasmtime
from wasmtime.component import ExportIndex, Instance

from wasmdeploy_driver.errors import GuestError, GuestTrap
from wasmdeploy_driver.guest.capi import call_run
from wasmdeploy_driver.guest.engine import Engine, Watch, component_from, no_watch
from wasmdeploy_driver.guest.host import link
from wasmdeploy_driver.guest.sandbox import (
    Bounds,
    Exit,
    Outputs,
    Preopen,
    Runner,
    first_line,
    new_store,
    new_wasi,
    translate,
)
from wasmdeploy_driver.http.frame import decode_response, encode_request, encode_rules
from wasmdeploy_driver.http.message import Request, Response


class LoadedComponent:
    """A compiled component with its imports linked: every `run` is a fresh instance."""

    def __init__(self, engine: Engine, compiled: Path, variables: Mapping[str, str], name: str) -> None:
        self.engine = engine
        try:
            self._component = component_from(engine, compiled)
            self._linker = link(engine, self._component, variables)
            # A dry instantiation names an import that fits nothing now, not at the first request.
            store = new_store(engine, Bounds(1 << 32, 10))
            store.set_wasi(new_wasi({}, (), ()))
            store.set_wasi_http()
            self.instantiate(store)
        except wasmtime.WasmtimeError as error:
            raise GuestError(f"{name} cannot be loaded: {first_line(error)}") from error
        self.run_export = self._find_run(name)

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

    def run(self, wasi: wasmtime.WasiConfig, bounds: Bounds, watch: Watch = no_watch) -> bool:
        """Instantiate and run once: True for success; raises Exit, GuestTrap or GuestTimeout.

        `watch` is called every few milliseconds while the guest runs.
        """
        store = new_store(self.engine, bounds)
        try:
            store.set_wasi(wasi)
            store.set_wasi_http()
            with self.engine.ticking(watch):
                return call_run(store, self.instantiate(store), self.run_export)
        except wasmtime.WasmtimeError as error:
            raise translate(error, bounds) from error
        finally:
            store.close()


class HttpComponent:
    """Answers HTTP requests, each in an instance of the runner's; safe to call from several threads."""

    def __init__(
        self,
        runner: Runner,
        environment: Mapping[str, str],
        preopens: tuple[Preopen, ...],
        allowed_hosts: tuple[str, ...],
        bounds: Bounds,
    ) -> None:
        self._runner = runner
        self._environment = environment
        self._preopens = preopens
        self._rules = encode_rules(allowed_hosts)
        self._bounds = bounds
        self._outputs = Outputs()

    def handle(self, request: Request, route: str) -> Response:
        """Run the guest for one request; raises GuestTrap or GuestTimeout."""
        output = self._outputs.mine()
        wasi = new_wasi(self._environment, (), self._preopens, encode_request(request, self._rules))
        wasi.stdout_file = output.path
        wasi.inherit_stderr()
        try:
            ok = self._runner.run(wasi, self._bounds, output.bound)
        except Exit as exit_:
            raise GuestTrap(f"the guest called exit({exit_.code}) while it answered") from None
        finally:  # also what a failed guest wrote is held in memory
            data = output.take()
        response = decode_response(data, request.method == "HEAD")
        if not ok:
            raise GuestTrap("the guest did not finish its response")
        return response
