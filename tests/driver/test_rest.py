"""An app at rest: its guests are not in memory, and answer all the same."""

import os
from pathlib import Path

import pytest

from tests.driver.guests import wat
from wasmdeploy_driver.app.worker import output_pipe
from wasmdeploy_driver.executor.image import Image
from wasmdeploy_driver.executor.launch import Launch
from wasmdeploy_driver.executor.prepare import Guests, compile_all, load_guests
from wasmdeploy_driver.guest.call import SUCCESS, Call
from wasmdeploy_driver.task import Component, Dir, Task
from wasmdeploy_driver.variables import Values

PRINTS = wat("""
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_prestat_get" (func $prestat (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 8) "\\10\\00\\00\\00\\05\\00\\00\\00hello")
  (func (export "_start")
    (if (call $prestat (i32.const 3) (i32.const 64)) (then unreachable))
    (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 0)))))
""")


@pytest.fixture
def image(tmp_path):
    """An app of one program, which prints its response and wants its directory."""
    (tmp_path / "app.wasm").write_bytes(PRINTS)
    (tmp_path / "static").mkdir()
    component = Component("a", "app.wasm", executor="wagi", dir=(Dir("static", "/static", readonly=True),))
    launch = Launch("id", Task(component=(component,)), tmp_path, tmp_path / "cache", tmp_path, tmp_path)
    return Image(launch, compile_all(launch, lambda name, text: None), Values({}))


def answer(guests):
    """What the guest prints."""
    out, into = output_pipe()
    try:
        assert guests(Call(0), f"/proc/self/fd/{into}") == SUCCESS
        return os.read(out, 100)
    finally:
        os.close(out)
        os.close(into)


def loaded(image):
    """Whether the guest's compiled code is in this process's memory."""
    return image.compiled["a"].path.resolve().name in Path("/proc/self/maps").read_text()


def descriptors():
    """How many files this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_guests_that_rest(image):
    """They leave memory, and come back for the next call; the directories that they have open stay the same."""
    guests = load_guests(image)
    assert answer(guests) == b"hello"
    for _ in range(2):
        assert loaded(image)
        before = descriptors()
        guests.rest()
        assert not loaded(image)
        guests.rest()
        assert answer(guests) == b"hello"
        assert descriptors() == before


def test_instances_that_stay():
    """Where instances stay between requests, so does what is loaded."""
    loads = []
    guests = Guests(lambda _: lambda: loads.append(1) or ["guest"], Values({}), stays=True)
    guests.rest()
    assert guests._loaded(0) == "guest"
    assert loads == [1]
