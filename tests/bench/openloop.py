"""Requests at fixed times: each is sent when it is due, whether those before it were answered or not."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from tests.bench.errors import BenchError

_PATIENCE = 30.0
_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Request:
    """GET `path`, `at` seconds after the start."""

    at: float
    path: str
    kind: str


@dataclass(frozen=True, slots=True)
class Timed:
    """How long an answer took, from when its request was due."""

    kind: str
    seconds: float


def run(authority: str, plan: Iterable[Request]) -> list[Timed]:
    """Send all of a plan over kept connections, as many as it takes; raises BenchError where one answer failed."""
    return asyncio.run(_run(authority, plan))


async def _run(authority: str, plan: Iterable[Request]) -> list[Timed]:
    idle: dict[str, list[_Streams]] = defaultdict(list)
    start = asyncio.get_running_loop().time() + 0.05
    try:
        return list(await asyncio.gather(*(_one(authority, start, idle, request) for request in plan)))
    finally:
        for streams in idle.values():
            for _, writer in streams:
                writer.close()


async def _one(authority: str, start: float, idle: dict[str, list[_Streams]], request: Request) -> Timed:
    loop = asyncio.get_running_loop()
    await asyncio.sleep(start + request.at - loop.time())
    host, _, port = authority.partition(":")
    streams = (
        idle[request.kind].pop() if idle[request.kind] else await asyncio.open_connection(host, int(port))
    )
    try:
        async with asyncio.timeout(_PATIENCE):
            status = await _exchange(streams, request.path, authority)
    except (OSError, EOFError, TimeoutError) as error:
        raise BenchError(f"{request.path} was not answered: {error!r}") from error
    if status != 200:
        raise BenchError(f"{request.path} was answered with {status}")
    idle[request.kind].append(streams)
    return Timed(request.kind, loop.time() - start - request.at)


async def _exchange(streams: _Streams, path: str, authority: str) -> int:
    reader, writer = streams
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
    if fields.get("transfer-encoding") == "chunked":
        while size := int(await reader.readuntil(b"\r\n"), 16):
            await reader.readexactly(size + 2)
        await reader.readuntil(b"\r\n")
    else:
        await reader.readexactly(int(fields["content-length"]))
    return int(head.split(" ")[1])
