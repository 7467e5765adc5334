"""The server that guests call: it can hold its answers back until the test has seen enough."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Upstream:
    """Answers `/echo` with what it was sent, `/slow?250` after 250 ms, and `/gate` once `open` is called.

    `waiting` counts the requests that stand before the gate now; `most` the most there ever were.
    """

    def __init__(self) -> None:
        self.authority = ""
        self.waiting = self.most = 0
        self._changed = threading.Condition()
        self._gate = asyncio.Event()
        self._loop = asyncio.new_event_loop()

    def open(self) -> None:
        """Answer all that wait, and all that come."""
        self._loop.call_soon_threadsafe(self._gate.set)

    def close(self) -> None:
        """Hold answers back again; call it while nothing waits."""
        self._loop.call_soon_threadsafe(self._gate.clear)
        self.most = 0

    def wait_for(self, count: int, seconds: float) -> bool:
        """Whether so many requests came to stand before the gate together."""
        with self._changed:
            return self._changed.wait_for(lambda: self.most >= count, seconds)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.decode("latin-1").lower().split("\r\n")
            body = await _body(reader, dict(line.split(": ", 1) for line in lines[1:] if line))
            method, path, _ = head.decode("latin-1").split(" ", 2)
            if path.startswith("/gate"):
                await self._stand()
            elif path.startswith("/slow"):
                await asyncio.sleep(int(path.partition("?")[2]) / 1000)
            text = f"{method} {path} {body.decode('latin-1')}".encode()
            writer.write(b"HTTP/1.1 203 OK\r\nx-kind: told\r\ncontent-length: %d\r\n\r\n" % len(text) + text)
            await writer.drain()
        except (OSError, EOFError):
            pass
        finally:
            writer.close()

    async def _stand(self) -> None:
        with self._changed:
            self.waiting += 1
            self.most = max(self.most, self.waiting)
            self._changed.notify_all()
        try:
            await self._gate.wait()
        finally:
            self.waiting -= 1

    async def _serve(self, ready: threading.Event) -> None:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0, backlog=1024)
        host, port = server.sockets[0].getsockname()
        self.authority = f"{host}:{port}"
        ready.set()
        async with server:
            await self._ended.wait()

    def _run(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self._ended = asyncio.Event()
        self._loop.run_until_complete(self._serve(ready))
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding") != "chunked":
        return await reader.readexactly(int(headers.get("content-length", 0)))
    body = b""
    while size := int(await reader.readline(), 16):
        body += await reader.readexactly(size)
        await reader.readline()
    await reader.readline()
    return body


@contextmanager
def upstream() -> Iterator[Upstream]:
    """An upstream for the time of the block."""
    server, ready = Upstream(), threading.Event()
    thread = threading.Thread(target=server._run, args=(ready,))
    thread.start()
    ready.wait()
    try:
        yield server
    finally:
        server.open()
        server._loop.call_soon_threadsafe(server._ended.set)
        thread.join()
