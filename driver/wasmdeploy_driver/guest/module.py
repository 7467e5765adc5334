"""Core modules of WASI preview 1, and CGI programs that answer HTTP with them (WAGI)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import wasmtime

from wasmdeploy_driver.errors import GuestError, GuestTrap
from wasmdeploy_driver.guest.engine import Engine, Watch, module_from, no_watch
from wasmdeploy_driver.guest.sandbox import (
    Bounds,
    Exit,
    Outputs,
    Preopen,
    first_line,
    new_store,
    new_wasi,
    translate,
)
from wasmdeploy_driver.http.cgi import environment as cgi_environment
from wasmdeploy_driver.http.cgi import parse_response
from wasmdeploy_driver.http.message import Request, Response

_LOAD_SECONDS = 10.0


class LoadedModule:
    """A compiled preview 1 module, a fresh instance for every `run`. `once`: it is the only guest."""

    def __init__(self, engine: Engine, compiled: Path, name: str, *, once: bool = False) -> None:
        self._engine = engine
        try:
            self._module = module_from(engine, compiled)
            self._linker = wasmtime.Linker(engine.raw)
            self._linker.define_wasi()
            if once:
                self._exit_as_asked()
            # A dry instantiation names a missing import now, not at the first request.
            # It runs the module's start function, which must not keep us for ever.
            with new_store(engine, Bounds(1 << 32, _LOAD_SECONDS)) as store, engine.ticking():
                store.set_wasi(wasmtime.WasiConfig())
                self._linker.instantiate(store, self._module)
        except (wasmtime.WasmtimeError, wasmtime.Trap) as error:
            raise GuestError(f"{name} cannot be loaded: {first_line(error)}") from error

    def _exit_as_asked(self) -> None:
        """Let the guest end with any exit code: wasmtime's own proc_exit traps for 126 and above.

        Only where one guest runs in the process: the library hands a host function's exception on through a
        global.
        """

        def proc_exit(code: int) -> None:
            raise Exit(code & 0xFF)

        self._linker.allow_shadowing = True
        kind = wasmtime.FuncType([wasmtime.ValType.i32()], [])
        self._linker.define_func("wasi_snapshot_preview1", "proc_exit", kind, proc_exit)

    def run(self, wasi: wasmtime.WasiConfig, bounds: Bounds, watch: Watch = no_watch) -> bool:
        """Instantiate and call `_start`; raises Exit, GuestTrap or GuestTimeout.

        `watch` is called every few milliseconds while the guest runs.
        """
        store = new_store(self._engine, bounds)
        try:
            store.set_wasi(wasi)
            with self._engine.ticking(watch):
                instance = self._linker.instantiate(store, self._module)
                start = instance.exports(store)["_start"]
                if not isinstance(start, wasmtime.Func):
                    raise GuestTrap("_start is no function")
                start(store)
                return True
        except (wasmtime.WasmtimeError, wasmtime.Trap) as error:
            raise translate(error, bounds) from error
        finally:
            store.close()


class CgiModule:
    """A preview 1 program that answers each request in a fresh instance, through CGI."""

    def __init__(
        self,
        loaded: LoadedModule,
        environment: Mapping[str, str],
        args: tuple[str, ...],
        preopens: tuple[Preopen, ...],
        bounds: Bounds,
    ) -> None:
        self._loaded = loaded
        self._environment = environment
        self._args = args
        self._preopens = preopens
        self._bounds = bounds
        self._outputs = Outputs()

    def handle(self, request: Request, route: str) -> Response:
        """Run the guest for one request; raises GuestTrap or GuestTimeout."""
        output = self._outputs.mine()
        # The request's variables win: a manifest must not fake who asks for what.
        environment = {**self._environment, **cgi_environment(request, route)}
        args = (request.path.decode("latin-1"), *self._args)
        wasi = new_wasi(environment, args, self._preopens, request.body)
        wasi.stdout_file = output.path
        wasi.inherit_stderr()
        try:
            self._loaded.run(wasi, self._bounds, output.bound)
        except Exit as exit_:
            if exit_.code:
                raise GuestTrap(f"the guest ended with exit code {exit_.code}") from None
        finally:  # also what a failed guest wrote is held in memory
            data = output.take()
        return parse_response(data, request.method == "HEAD")
