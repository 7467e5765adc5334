"""Load without end from one thread: each answer is held against what its request must get."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Ask:
    """A request, and the only right answer; `body` None where it does not matter."""

    path: str
    status: int
    body: bytes | None = None
    sent: bytes = b""


@dataclass(slots=True)
class Load:
    """Keeps `connections` busy with the requests of `mix`, one after the other; `wrong` has the first wrong answers."""

    address: tuple[str, int]
    mix: tuple[Ask, ...]
    connections: int
    answered: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    async def run(self) -> None:
        """Go on until stopped, and let each connection have its last answer."""
        asks = itertools.cycle(self.mix)
        await asyncio.gather(*(self._connection(asks) for _ in range(self.connections)))

    async def _connection(self, asks: Iterator[Ask]) -> None:
        while not self._stop.is_set():
            reader, writer = await asyncio.open_connection(*self.address)
            try:
                while not self._stop.is_set() and await self._one(reader, writer, next(asks)):
                    pass
            finally:
                writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ask: Ask) -> bool:
        """One request; whether the connection can be used again."""
        method, length = ("POST", f"Content-Length: {len(ask.sent)}\r\n") if ask.sent else ("GET", "")
        writer.write(f"{method} {ask.path} HTTP/1.1\r\nHost: soak.test\r\n{length}\r\n".encode() + ask.sent)
        try:
            async with asyncio.timeout(_PATIENCE):
                status, body, keep = await _answer(reader)
        except (OSError, EOFError, TimeoutError) as error:
            self._say(f"{ask.path}: {error!r}")
            return False
        self.answered[ask.path] += 1
        if status != ask.status or ask.body not in (None, body):
            self._say(f"{ask.path}: {status} {body[:60]!r}")
        return keep

    def _say(self, wrong: str) -> None:
        self.wrong.append(wrong)

    def stop(self) -> None:
        """Send no more; may be called from another thread."""
        self._stop.set()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes, bool]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
    body = b""
    if fields.get("transfer-encoding") == "chunked":
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readuntil(b"\r\n")
    else:
        body = await reader.readexactly(int(fields["content-length"]))
    return int(head.split(" ")[1]), body, fields.get("connection") != "close"


@contextmanager
def loading(address: tuple[str, int], mix: tuple[Ask, ...], connections: int) -> Iterator[Load]:
    """Load for the time of the block; its counts are final once the block has ended."""
    load = Load(address, mix, connections)
    thread = threading.Thread(target=lambda: asyncio.run(load.run()))
    thread.start()
    try:
        yield load
    finally:
        load.stop()
        thread.join()
