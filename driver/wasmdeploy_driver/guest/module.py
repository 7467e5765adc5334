"""Core modules of WASI preview 1, run in a fresh instance."""

from __future__ import annotations

from pathlib import Path

import wasmtime

from wasmdeploy_driver.errors import GuestError, GuestTrap
from wasmdeploy_driver.guest.bounds import Bounds
from wasmdeploy_driver.guest.engine import Engine, module_from
from wasmdeploy_driver.guest.sandbox import Exit, first_line, new_store, translate

_LOAD_SECONDS = 10.0


class LoadedModule:
    """A compiled preview 1 module, a fresh instance for every `run`, which calls `entrypoint`.

    `once`: it is the only guest.
    """

    def __init__(
        self, engine: Engine, compiled: Path, name: str, *, entrypoint: str = "_start", once: bool = False
    ) -> None:
        self._engine = engine
        self._entrypoint = entrypoint
        try:
            self._module = module_from(engine, compiled)
            self._linker = wasmtime.Linker(engine.raw)
            self._linker.define_wasi()
            if once:
                self._exit_as_asked()
            # A dry instantiation names a missing import now, not at the first request.
            # It runs the module's start function, which must not keep us for ever.
            bounds = Bounds(1 << 32, _LOAD_SECONDS, fuel=engine.fuel and 1 << 40)
            with new_store(engine, bounds) as store, engine.timed(bounds):
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

    def run(self, wasi: wasmtime.WasiConfig, bounds: Bounds) -> bool:
        """Instantiate and call the entry point; raises Exit, GuestTrap or GuestTimeout."""
        store = new_store(self._engine, bounds)
        try:
            store.set_wasi(wasi)
            with self._engine.timed(bounds):
                instance = self._linker.instantiate(store, self._module)
                start = instance.exports(store)[self._entrypoint]
                if not isinstance(start, wasmtime.Func):
                    raise GuestTrap(f"{self._entrypoint} is no function")
                start(store)
                return True
        except (wasmtime.WasmtimeError, wasmtime.Trap) as error:
            raise translate(error, bounds) from error
        finally:
            store.close()

    def tidy(self) -> None:
        """Nothing is left of a run."""
