"""Calls into wasmtime's C API that the library's Python classes do not offer, or offer too slowly.

These use private names of the library, so they are pinned to one major version and all stand here.
"""

from __future__ import annotations

import ctypes
import mmap
from importlib import metadata

import wasmtime
from wasmtime import _ffi as ffi
from wasmtime.component import ExportIndex, Instance

from wasmdeploy_driver.errors import ExecutorError

SUPPORTED = "50."
# The pool's bounds, for all instances together. Eight guests run at once, so each may have eight memories; a memory
# takes 4 GiB of addresses whatever its size, and a machine with 39-bit addresses has room for fewer than 128.
_POOL = {
    "total_memories": 64,
    "total_tables": 128,
    "table_elements": 1 << 17,
    "total_core_instances": 4000,
    "total_stacks": 64,
    "total_gc_heaps": 16,
    "max_core_instance_size": 16 << 20,
    "max_component_instance_size": 16 << 20,
    "max_tables_per_module": 16,
    "max_memories_per_module": 8,
    # Kept between runs and cleared by writing zeros, which is cheaper than faulting pages in again.
    "linear_memory_keep_resident": 1 << 20,
    "table_keep_resident": 1 << 16,
}
_POOL_ADDRESSES = 320 << 30


def check_version() -> None:
    """Raise ExecutorError unless the installed wasmtime is the one these calls were written for."""
    installed = metadata.version("wasmtime")
    if not installed.startswith(SUPPORTED):
        raise ExecutorError(
            f"wasmtime {installed} is installed, but wasmdeploy needs {SUPPORTED}x",
            f"pip install 'wasmtime=={SUPPORTED}*'",
        )


def use_pool(config: wasmtime.Config) -> None:
    """Let instances take turns in memory that stays mapped: a fresh one then maps and unmaps nothing.

    Where addresses are scarce (`ulimit -v`, a small address space), instances go on being mapped one by one: wasmtime
    would end the process if it found no room for its pool.
    """
    try:
        mmap.mmap(-1, _POOL_ADDRESSES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=0).close()
    except OSError:
        return
    pool = ffi.wasmtime_pooling_allocation_config_new()
    for name, value in _POOL.items():
        getattr(ffi, f"wasmtime_pooling_allocation_config_{name}_set")(pool, value)
    ffi.wasmtime_pooling_allocation_strategy_set(config.ptr(), pool)
    ffi.wasmtime_pooling_allocation_config_delete(pool)


def set_stdin(wasi: wasmtime.WasiConfig, data: bytes) -> None:
    """Give a guest these bytes as its stdin (the public door takes files only)."""
    vector = ffi.wasm_byte_vec_t()
    content = ctypes.cast(data, ctypes.POINTER(ctypes.c_uint8))  # type: ignore[arg-type]  # bytes can be cast
    ffi.wasm_byte_vec_new(ctypes.byref(vector), len(data), content)
    ffi.wasi_config_set_stdin_bytes(wasi.ptr(), ctypes.byref(vector))


def call_run(store: wasmtime.Store, instance: Instance, run: ExportIndex) -> bool:
    """Call a `func() -> result` export: True for ok; raises WasmtimeError.

    The public call asks for the function's type each time, which costs more than a small guest's whole run.
    """
    function = ffi.wasmtime_component_func_t()
    context = store._context()
    if not ffi.wasmtime_component_instance_get_func(
        ctypes.byref(instance._instance), context, run.ptr(), ctypes.byref(function)
    ):
        raise wasmtime.WasmtimeError("the export `run` is no function")
    result = ffi.wasmtime_component_val_t()
    error = ffi.wasmtime_component_func_call(
        ctypes.byref(function), context, None, 0, ctypes.byref(result), 1
    )
    if error:
        raise wasmtime.WasmtimeError._from_ptr(error)
    return bool(result.of.result.is_ok)
