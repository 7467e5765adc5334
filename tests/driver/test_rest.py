"""An app at rest: its guests are not in memory, and answer all the same."""

import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.driver.executor_process import CACHE
from tests.driver.guests import wat
from tests.driver.rust_guests import rust_guest
from wasmdeploy_driver.app.worker import THREAD_STACK, output_pipe
from wasmdeploy_driver.executor.image import Image
from wasmdeploy_driver.executor.launch import Launch
from wasmdeploy_driver.executor.prepare import Guests, compile_all, load_guests
from wasmdeploy_driver.guest import capi, trim
from wasmdeploy_driver.guest.call import SUCCESS, Call
from wasmdeploy_driver.http.frame import encode_request
from wasmdeploy_driver.http.message import Request
from wasmdeploy_driver.secrets import Secret
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
    return Image.opened(launch, compile_all(launch, lambda name, text: None), Values({}))


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


def test_guests_that_rest(image, monkeypatch):
    """They leave memory, and come back for the next call; the directories that they have open stay the same.

    What is free goes back to the system once they have left.
    """
    trimmed = []
    monkeypatch.setattr(trim, "trim", lambda: trimmed.append(not loaded(image)))
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
    assert trimmed == [True, True]


def test_instances_that_stay():
    """Where instances stay between requests, so does what is loaded."""
    loads = []
    guests = Guests(lambda _: lambda: loads.append(1) or ["guest"], Values({}), stays=True)
    guests.rest()
    assert guests._loaded(0) == "guest"
    assert loads == [1]


def test_the_first_instance_is_the_first_calls(tmp_path, monkeypatch):
    """That which shows that a guest fits is used, also after a rest; what nobody has called leaves with the guest."""
    made, deleted = [], []
    for name, seen in (("_instantiate", made), ("_store_delete", deleted)):
        before = getattr(capi, name)
        monkeypatch.setattr(capi, name, lambda *a, seen=seen, before=before: seen.append(1) or before(*a))
    image = web(tmp_path)
    request = encode_request(Request("GET", "http", b"a", b"/env", (), b"", "", None))
    out, into = output_pipe()

    def call(guests):
        assert guests(Call(0, request), f"/proc/self/fd/{into}") == SUCCESS
        assert b"WORD=0\n" in os.read(out, 65536)
        guests.tidy(0)
        return len(made), len(deleted)

    def scenario():
        guests = load_guests(image)
        assert (len(made), len(deleted)) == (1, 0)
        assert [call(guests), call(guests)] == [(1, 1), (2, 2)]
        guests.prepare(0)
        guests.rest()
        assert (len(made), len(deleted)) == (3, 3)
        assert call(guests) == (4, 4)

    in_a_guests_thread(scenario)
    os.close(out)
    os.close(into)


@pytest.mark.parametrize("isolation", ["request", "instance"])
def test_new_values_leave_nothing_of_the_old(tmp_path, isolation):
    """A change is there with the next call; neither directories nor instances of the values before stay open."""
    image = web(tmp_path, isolation=isolation)
    request = encode_request(Request("GET", "http", b"a", b"/env", (), b"", "", None))
    out, into = output_pipe()

    def scenario():
        guests, before = load_guests(image), []
        for number in range(10):
            guests.renew(words(number))
            assert guests(Call(0, request), f"/proc/self/fd/{into}") == SUCCESS
            assert f"WORD={number}\n".encode() in os.read(out, 65536)
            before.append(descriptors())
        assert set(before[1:]) == {before[1]}

    in_a_guests_thread(scenario)
    os.close(out)
    os.close(into)


def in_a_guests_thread(scenario):
    """A guest needs more stack than a test has."""
    threading.stack_size(THREAD_STACK)
    try:
        with ThreadPoolExecutor(1) as thread:
            thread.submit(scenario).result()
    finally:
        threading.stack_size(0)


def web(place, **more):
    """An app of one Rust component with a directory, which is told a word."""
    source = rust_guest("rust-http")
    shutil.copy(source, place)
    (place / "data").mkdir()
    environment, dirs = {"WORD": "{{ word }}"}, (Dir("data", "/data"),)
    component = Component("web", source.name, environment=environment, dir=dirs, **more)
    launch = Launch("t", Task("a", component=(component,)), place, CACHE, place / "o", place / "e")
    return Image.opened(launch, compile_all(launch, lambda *_: None), words(0))


def words(number):
    """The app's variable."""
    return Values({"word": Secret(str(number))})
