"""Calls into wasmtime's C API that the library's Python classes do not offer, or offer too slowly.

These use private names of the library, so they are pinned to one major version and all stand here.
"""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import platform
import struct
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import wasmtime
from wasmtime import _ffi as ffi
from wasmtime.component import Component, ExportIndex, Instance, Linker

from wasmdeploy_driver.errors import ExecutorError

SUPPORTED = "50."
# The pool's bounds, for all instances together. A process runs one guest at a time and keeps some for reuse; a memory
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
    # Kept between runs and written anew, which is cheaper than faulting pages in again.
    "linear_memory_keep_resident": 8 << 20,
    "table_keep_resident": 1 << 16,
}
_POOL_ADDRESSES = 320 << 30
# Where PoolingAllocationConfig::pagemap_scan stands in wasmtime 50.0.1.
_SCAN = 133
# Where a wasi_config_t has those of look-ups, UDP and TCP in wasmtime 50.0.1, a byte each.
_SWITCHES = 0x108
_PAGEMAP_SCAN = 0xC0606610  # _IOWR('f', 16, struct pm_scan_arg)


def check_version() -> None:
    """Raise ExecutorError unless the installed wasmtime is the one these calls were written for."""
    installed = _installed()
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
    if not _scan_pages(pool):
        # Without it all that is kept is written anew, used or not.
        ffi.wasmtime_pooling_allocation_config_linear_memory_keep_resident_set(pool, 1 << 20)
    ffi.wasmtime_pooling_allocation_strategy_set(config.ptr(), pool)
    ffi.wasmtime_pooling_allocation_config_delete(pool)


def _scan_pages(pool: object) -> bool:
    """Let wasmtime ask the kernel which pages a guest wrote, so that it writes only those anew; whether it will.

    A fresh Python instance then costs a third less. wasmtime's option for it (`pagemap_scan`) has no setter in the C
    API, so its byte is set where it stands in the one release that this was read from, and only if the bytes around
    it are those of that release: the default "no" here and for memory protection keys, and "off" for stack zeroing.
    """
    if _installed() != "50.0.1" or platform.machine() != "x86_64":
        return False
    options = ctypes.cast(pool, ctypes.c_void_p).value  # type: ignore[arg-type]  # a pointer of the library's
    if options is None or ctypes.string_at(options + _SCAN - 1, 3) != b"\x02\x02\x00":
        return False
    if not _kernel_scans_pages():
        return False
    ctypes.memset(options + _SCAN, 0, 1)  # "auto": where the kernel can
    return True


@cache
def _installed() -> str:
    return metadata.version("wasmtime")


@cache
def _kernel_scans_pages() -> bool:
    """Whether /proc/self/pagemap answers PAGEMAP_SCAN (Linux 6.7 and newer)."""
    page = mmap.mmap(-1, mmap.PAGESIZE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(page))
    # struct pm_scan_arg: size, flags, start, end, walk_end, vec, vec_len, max_pages, four masks of categories
    question = struct.pack("12Q", 96, 0, start, start + mmap.PAGESIZE, 0, 0, 0, 0, 0, 0, 1, 1)
    try:
        with Path("/proc/self/pagemap").open("rb") as pagemap:
            fcntl.ioctl(pagemap, _PAGEMAP_SCAN, bytearray(question))
    except OSError:
        return False
    return True


# The same library twice: calls that take a microsecond keep the interpreter, the long ones let go of it.
_SHORT, _LONG = ctypes.PyDLL(str(ffi.filename)), ctypes.CDLL(str(ffi.filename))
_Pointer = ctypes.c_void_p


def _function(library: ctypes.CDLL, name: str, result: Any, *arguments: Any) -> Any:
    function = getattr(library, name)
    function.restype, function.argtypes = result, arguments
    return function


_bytes_new = _function(_SHORT, "wasm_byte_vec_new", None, _Pointer, ctypes.c_size_t, ctypes.c_char_p)
_set_stdin_bytes = _function(_SHORT, "wasi_config_set_stdin_bytes", None, _Pointer, _Pointer)
_store_new = _function(_SHORT, "wasmtime_store_new", _Pointer, _Pointer, _Pointer, _Pointer)
_store_limiter = _function(_SHORT, "wasmtime_store_limiter", None, _Pointer, *(ctypes.c_int64,) * 5)
_store_context = _function(_SHORT, "wasmtime_store_context", _Pointer, _Pointer)
_store_delete = _function(_LONG, "wasmtime_store_delete", None, _Pointer)
_set_deadline = _function(_SHORT, "wasmtime_context_set_epoch_deadline", None, _Pointer, ctypes.c_uint64)
_set_fuel = _function(_SHORT, "wasmtime_context_set_fuel", _Pointer, _Pointer, ctypes.c_uint64)
_set_wasi = _function(_SHORT, "wasmtime_context_set_wasi", _Pointer, _Pointer, _Pointer)
_set_wasi_http = _function(_SHORT, "wasmtime_context_set_wasi_http", None, _Pointer)
_instantiate = _function(
    _LONG, "wasmtime_component_linker_instantiate", _Pointer, _Pointer, _Pointer, _Pointer, _Pointer
)
_get_func = _function(
    _SHORT, "wasmtime_component_instance_get_func", ctypes.c_bool, _Pointer, _Pointer, _Pointer, _Pointer
)
_call = _function(
    _LONG, "wasmtime_component_func_call", _Pointer,
    _Pointer, _Pointer, _Pointer, ctypes.c_size_t, _Pointer, ctypes.c_size_t,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class StoreLimits:
    """What one store may hold, and for how long it runs: see `Bounds`; `ticks` is its epoch deadline."""

    memory: int
    tables: int
    instances: int
    ticks: int
    fuel: int


class FreshRuns:
    """Runs a component's `func() -> result` export, each time in a store of its own.

    It does what the library's Store, Linker and Func do in a third of the time: it makes no Python object for any of
    them, and does not ask for the function's type.
    """

    def __init__(
        self, engine: wasmtime.Engine, linker: Linker, component: Component, run: ExportIndex
    ) -> None:
        self._kept = (engine, linker, component, run)  # for their addresses
        self._engine, self._linker = _address(engine.ptr()), _address(linker.ptr())
        self._component, self._run = _address(component.ptr()), _address(run.ptr())
        self._ready: tuple[int, int, Any] | None = None
        self._spent = 0

    def prepare(self, wasi: wasmtime.WasiConfig, limits: StoreLimits) -> None:
        """Instantiate for the next run, which then has only to be called; raises WasmtimeError."""
        self.tidy()
        if self._ready is None:
            self._ready = self._fresh(wasi, limits)

    def run(self, wasi: wasmtime.WasiConfig, limits: StoreLimits) -> bool:
        """Run in the instance that was prepared, or in a new one: True for ok; raises WasmtimeError.

        The instance is there until `tidy`: to give it up takes as long as a small run, and its caller may tell of the
        end first.
        """
        self.tidy()
        ready, self._ready = self._ready, None
        if ready is None:
            store, context, instance = self._fresh(wasi, limits)
        else:
            store, context, instance = ready
        try:
            if ready is not None:
                _set_deadline(context, limits.ticks)
                _check(_set_wasi(context, wasi._consume()))
            return _called(context, instance, self._run, ffi.wasmtime_component_func_t())
        finally:
            self._spent = store

    def tidy(self) -> None:
        """Give up what the last run was in."""
        spent, self._spent = self._spent, 0
        if spent:
            _store_delete(spent)

    def close(self) -> None:
        """Give up all instances; there is no further run."""
        self.tidy()
        ready, self._ready = self._ready, None
        if ready is not None:
            _store_delete(ready[0])

    def _fresh(self, wasi: wasmtime.WasiConfig, limits: StoreLimits) -> tuple[int, int, Any]:
        """A store, its context, and an instance in it."""
        store: int = _store_new(self._engine, None, None)
        try:
            _store_limiter(store, limits.memory, limits.tables, limits.instances, -1, -1)
            context: int = _store_context(store)
            _set_deadline(context, limits.ticks)
            if limits.fuel:
                _check(_set_fuel(context, limits.fuel))
            _check(_set_wasi(context, wasi._consume()))
            _set_wasi_http(context)
            instance = ffi.wasmtime_component_instance_t()
            _check(_instantiate(self._linker, context, self._component, ctypes.byref(instance)))
        except BaseException:
            _store_delete(store)
            raise
        return store, context, instance


def call_run(store: wasmtime.Store, instance: Instance, run: ExportIndex) -> bool:
    """Call a `func() -> result` export of an instance that stays: True for ok; raises WasmtimeError."""
    context = _address(store._context())
    return _called(context, instance._instance, _address(run.ptr()), ffi.wasmtime_component_func_t())


def _called(context: int, instance: Any, run: int, function: Any) -> bool:
    if not _get_func(ctypes.byref(instance), context, run, ctypes.byref(function)):
        raise wasmtime.WasmtimeError("the export `run` is no function")
    result = ffi.wasmtime_component_val_t()
    _check(_call(ctypes.byref(function), context, None, 0, ctypes.byref(result), 1))
    return bool(result.of.result.is_ok)


def _check(error: int | None) -> None:
    if error:
        raise wasmtime.WasmtimeError._from_ptr(ctypes.cast(error, ctypes.POINTER(ffi.wasmtime_error_t)))


def _address(pointer: Any) -> int:
    return ctypes.cast(pointer, ctypes.c_void_p).value or 0


def open_network(wasi: wasmtime.WasiConfig) -> None:
    """Let a guest open sockets to anywhere and look up names, where `can_open_network`: there is only all or nothing.

    wasmtime's C API opens addresses and look-ups, but has no setters for the switches of UDP and TCP
    (`WasiCtxBuilder::allow_udp` and `allow_tcp`), so these are set where they stand.
    """
    ffi.wasi_config_inherit_network(wasi.ptr())
    ctypes.memset(_address(wasi.ptr()) + _SWITCHES, 1, 3)


@cache
def can_open_network() -> bool:
    """Whether the switches of the network are where they stand in the one release that this was read from.

    The first has a setter, by which it is seen to move alone.
    """
    if _installed() != "50.0.1" or platform.machine() != "x86_64":
        return False
    config, seen = ffi.wasi_config_new(), []
    for allowed in (False, True):
        ffi.wasi_config_allow_ip_name_lookup(config, allowed)
        seen.append(ctypes.string_at(_address(config) + _SWITCHES, 3))
    ffi.wasi_config_delete(config)
    return seen == [b"\0\0\0", b"\1\0\0"]


def set_stdin(wasi: wasmtime.WasiConfig, data: bytes) -> None:
    """Give a guest these bytes as its stdin (the public door takes files only)."""
    vector = ffi.wasm_byte_vec_t()
    _bytes_new(ctypes.byref(vector), len(data), data)
    _set_stdin_bytes(wasi.ptr(), ctypes.byref(vector))
