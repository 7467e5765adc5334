"""A rehearsal: an app that is none answers a request, in an executor that has no task yet.

Python writes to nearly everything that it uses, and a process that was forked gets a page of its own when it first
writes there. A spare executor has those pages when its task comes.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
import struct
import threading
from pathlib import Path
from typing import cast

from wasmdeploy_driver.app.stem import Stem
from wasmdeploy_driver.executor import confine, control
from wasmdeploy_driver.executor.desk import Desk
from wasmdeploy_driver.executor.image import Compiled, Image
from wasmdeploy_driver.executor.launch import Launch
from wasmdeploy_driver.executor.prepare import Guests
from wasmdeploy_driver.executor.serve import Serving, listen
from wasmdeploy_driver.guest.call import SUCCESS, AskTrailers, Call, Outcome
from wasmdeploy_driver.guest.engine import prepare
from wasmdeploy_driver.isolation import privileges
from wasmdeploy_driver.task import Component, Task
from wasmdeploy_driver.variables import Values

_REQUEST = b"GET / HTTP/1.1\r\nhost: rehearsal\r\nconnection: close\r\n\r\n"
_HEAD = struct.pack("<HII12sI10s", 200, 1, 12, b"content-type", 10, b"text/plain")
_ANSWER = struct.pack("<I", len(_HEAD)) + _HEAD + b"rehearsed"


def rehearse(runner: asyncio.Runner, stem: Stem) -> None:
    """Do what every start does, and make an engine; leaves no thread, and nothing open but the engine's."""
    with privileges.without_effect():  # what an engine keeps open is in reach of a guest that breaks out
        prepare()
    confine.warm()
    launch = Launch.from_json(sample().to_json())
    runner.run(_called())
    opened = _descriptors()
    runner.run(_served(launch, stem))
    for each in threading.enumerate():
        if each is not threading.current_thread():
            each.join()
    gc.collect()
    gc.freeze()
    for descriptor in _descriptors() - opened:  # an app's own, which it keeps until its process ends
        os.close(descriptor)


def _descriptors() -> set[int]:
    found = set()
    for each in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208
        with contextlib.suppress(OSError):  # that of the list itself
            os.fstat(each)
            found.add(each)
    return found


def sample() -> Launch:
    """The launch of no task."""
    nowhere = Path("/")
    task = Task(component=(Component("none", "none", route=("/...",)),))
    return Launch("none", task, *(nowhere,) * 4)


async def _called() -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("")  # a name that the kernel makes up
        listener.listen()
        desk = Desk(listener, _answer)
        await desk.open()
        reader, writer = await asyncio.open_unix_connection(listener.getsockname())
        writer.write(control.encode_line({}))
        await reader.readline()
        writer.close()
        desk.close()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(control.encode_line(control.decode_line(await reader.readline())))
    await writer.drain()
    writer.close()


async def _served(launch: Launch, stem: Stem) -> None:
    code = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    image = Image(launch, {"none": Compiled("none", code, "http")}, Values({}), {"none": ()})
    serving = Serving(image, cast(Guests, _Guests()), stem, listen("127.0.0.1", 0), lambda name, detail: None)
    ready = asyncio.Event()
    running = asyncio.ensure_future(serving.run(ready.set))
    await ready.wait()
    reader, writer = await asyncio.open_connection(*serving.address)
    writer.write(_REQUEST)
    await reader.read()
    writer.close()
    await serving.stop(1)
    await running
    os.close(code)


class _Guests:
    def __call__(
        self, call: Call, stdout: str, stdin: str = "", request_trailers: AskTrailers | None = None
    ) -> Outcome:
        with open(stdout, "wb", buffering=0) as pipe:  # noqa: PTH123  # as wasmtime does
            pipe.write(_ANSWER)
        return SUCCESS

    def prepare(self, component: int) -> None:
        """There is nothing to prepare."""

    def tidy(self, component: int) -> None:
        """Nothing is left."""

    def rest(self) -> None:
        """There is nothing to give back."""
