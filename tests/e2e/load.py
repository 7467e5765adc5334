"""Steady load over HTTP from a thread of its own, every answer counted."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_BODY = b"0123456789" * 10
_CONNECTIONS = 48
_PATIENCE = 20.0


@dataclass
class Load:
    """Sends `rate` requests a second to the server at `url`, a quarter of them POST, over kept connections.

    A request is sent at its time as long as one of the connections is free. Nothing is sent twice: a lost connection
    is a failure.
    """

    url: str
    host: str
    rate: int = 150
    path: str = "/"
    sent: int = 0
    seconds: float = 0.0
    bodies: set[str] = field(default_factory=set)
    failures: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _started: float = 0.0

    @property
    def achieved(self) -> float:
        """Requests a second over the whole run."""
        return self.sent / self.seconds

    async def _run(self) -> None:
        self._started = time.monotonic()
        await asyncio.gather(*(self._connection() for _ in range(_CONNECTIONS)))
        self.seconds = time.monotonic() - self._started

    async def _connection(self) -> None:
        parts = urlsplit(self.url)
        while not self._stop.is_set():
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            try:
                while not self._stop.is_set() and await self._one(reader, writer):
                    pass
            finally:
                writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Send the next request when it is due and count its answer; whether the connection can be used again."""
        number = self.sent
        self.sent += 1
        await asyncio.sleep(max(0.0, self._started + number / self.rate - time.monotonic()))
        if self._stop.is_set():
            self.sent -= 1
            return False
        method, body = ("POST", _BODY) if number % 4 == 0 else ("GET", b"")
        host, path = self.host, self.path
        writer.write(
            f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        )
        got: list[bytes] = []
        try:
            status, text, keep = await asyncio.wait_for(_answer(reader, got), _PATIENCE)
        except (OSError, EOFError, TimeoutError, ValueError) as error:
            self._fail(f"{method} {host}{path}: {error!r} behind {b''.join(got)!r}")
            return False
        self.bodies.add(text)
        if status != 200:
            self._fail(f"{method} {host}{path}: {status} {text[:80]!r}")
        return keep

    def _fail(self, what: str) -> None:
        self.failures.append(f"after {time.monotonic() - self._started:.2f} s: {what}")


async def _answer(reader: asyncio.StreamReader, got: list[bytes]) -> tuple[int, str, bool]:
    got.append(await reader.readuntil(b"\r\n\r\n"))
    lines = got[0].decode("latin-1").lower().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
    if headers.get("transfer-encoding") == "chunked":
        async for chunk in _chunks(reader):
            got.append(chunk)
    else:
        got.append(await reader.readexactly(int(headers["content-length"])))
    return int(lines[0].split(" ")[1]), b"".join(got[1:]).decode(), headers.get("connection") != "close"


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while size := int(await reader.readline(), 16):
        yield await reader.readexactly(size)
        await reader.readline()
    await reader.readline()


@contextmanager
def steady(url: str, host: str, rate: int = 150, path: str = "/") -> Iterator[Load]:
    """Load for the time of the block; its counts are final once the block has ended."""
    load = Load(url, host, rate, path)
    thread = threading.Thread(target=lambda: asyncio.run(load._run()))
    thread.start()
    try:
        yield load
    finally:
        load._stop.set()
        thread.join()
