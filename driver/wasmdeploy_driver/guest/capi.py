"""Calls into wasmtime's C API that the library's Python classes do not offer, or offer too slowly.

These use private names of the library, so they are pinned to one major version and all stand here.
"""

from __future__ import annotations

import ctypes
from importlib import metadata

import wasmtime
from wasmtime import _ffi as ffi
from wasmtime.component import ExportIndex, Instance

from wasmdeploy_driver.errors import ExecutorError

SUPPORTED = "50."


def check_version() -> None:
    """Raise ExecutorError unless the installed wasmtime is the one these calls were written for."""
    installed = metadata.version("wasmtime")
    if not installed.startswith(SUPPORTED):
        raise ExecutorError(
            f"wasmtime {installed} is installed, but wasmdeploy needs {SUPPORTED}x",
            f"pip install 'wasmtime=={SUPPORTED}*'",
        )


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
