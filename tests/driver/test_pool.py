"""Instances that take turns in the same memory."""

import subprocess
import sys

import pytest
import wasmtime

from wasmdeploy_driver.guest.engine import Engine

# Counts in memory, beside its data, far above it, and in a table.
COUNTING = """
(module
  (memory 64 4096)
  (data (i32.const 0) "\\07")
  (table 1000 funcref)
  (elem declare func $count)
  (func $count (export "count") (param $at i32) (result i32)
    (i32.store (local.get $at) (i32.add (i32.load (local.get $at)) (i32.const 1)))
    (i32.load (local.get $at)))
  (func (export "mark") (result i32)
    (ref.is_null (table.get (i32.const 999)))
    (table.set (i32.const 999) (ref.func $count))))
"""

# A table as large as the pool takes, and a gigabyte of memory.
LARGE = '(module (table 131072 funcref) (memory 16384 16384) (func (export "run")))'


@pytest.fixture(scope="module")
def engine():
    return Engine().raw


def fresh(engine, module):
    store = wasmtime.Store(engine)
    store.set_epoch_deadline(1)
    return store, wasmtime.Instance(store, module, []).exports(store)


@pytest.mark.parametrize(("at", "first"), [(0, 8), (4, 1), (1 << 20, 1), ((4 << 20) - 4, 1)])
def test_nothing_is_left_of_the_instance_before(engine, at, first):
    """Memory starts as the module's data and zeros, wherever an instance before wrote."""
    module = wasmtime.Module(engine, COUNTING)
    for _ in range(5):
        store, exports = fresh(engine, module)
        assert [exports["count"](store, at) for _ in range(3)] == [first, first + 1, first + 2]
        assert exports["mark"](store) == 1
        store.close()


def test_a_large_guest_fits(engine):
    """Tables of large languages and a gigabyte of memory are within the pool's bounds."""
    store, exports = fresh(engine, wasmtime.Module(engine, LARGE))
    exports["run"](store)


def test_scarce_addresses_need_no_pool():
    """Under a limit of addresses that leaves no room for the pool, guests run all the same."""
    script = """
import resource
resource.setrlimit(resource.RLIMIT_AS, (64 << 30, 64 << 30))
import wasmtime
from wasmdeploy_driver.guest.engine import Engine
engine = Engine().raw
store = wasmtime.Store(engine)
store.set_epoch_deadline(1)
module = wasmtime.Module(engine, '(module (memory 1) (func (export "run")))')
exports = wasmtime.Instance(store, module, []).exports(store)
exports["run"](store)
print("ran")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "ran\n"), done.stderr
