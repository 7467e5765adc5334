"""A front on a real socket around an app that tells its requests, and a raw client."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable

from wasmdeploy_driver.http.front import HttpFront, listen
from wasmdeploy_driver.http.message import Headers, Request, Response
from wasmdeploy_driver.http.shared import Done, answer_to

GET = b"GET / HTTP/1.1\r\nHost: a\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
CLOSING = GET + b"Connection: close\r\n\r\n"
MIB = 1 << 20


class Served:
    """A front around an app that tells its requests, and waits with the answer to /wait."""

    def __init__(self, front: HttpFront) -> None:
        self.front = front
        self.asked: list[Request] = []
        self.waiting = asyncio.Event()
        self.go = asyncio.Event()
        self.answered = asyncio.Event()
        self.answer: Callable[[Request], Response | Awaitable[Response]] = lambda request: Response(
            200, (), request.target
        )
        self._listener = listen("127.0.0.1", 0)
        self.address = self._listener.getsockname()

    def handle(self, request: Request, done: Done) -> None:
        self.asked.append(request)
        if request.target.startswith(b"/wait"):
            self.waiting.set()
            self._later(self._waited(request), done)
        else:
            self._answer(request, done)

    async def _waited(self, request: Request) -> Response:
        await self.go.wait()
        answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._answer(request, answer.set_result)
        return await answer

    def _answer(self, request: Request, done: Done) -> None:
        self.answered.set()
        answer = self.answer(request)
        if isinstance(answer, Response):
            done(answer)
        else:
            self._later(answer, done)

    @staticmethod
    def _later(answer: Awaitable[Response], done: Done) -> None:
        def told(task: asyncio.Future[Response]) -> None:
            error = task.exception()
            done(task.result() if error is None else answer_to(error))

        asyncio.ensure_future(answer).add_done_callback(told)

    async def start(self) -> None:
        await self.front.start(self, self._listener)

    @contextlib.asynccontextmanager
    async def connect(self) -> AsyncIterator[Client]:
        client = Client(*await asyncio.open_connection(*self.address))
        try:
            yield client
        finally:
            client.writer.close()
            with contextlib.suppress(ConnectionError):
                await client.writer.wait_closed()

    async def exchange(self, sent: bytes) -> bytes:
        """All that comes back for these bytes until the server closes."""
        async with self.connect() as client:
            client.writer.write(sent)
            return await client.rest()


class Client:
    """One raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def rest(self) -> bytes:
        """Everything until the server closes."""
        return await self.reader.read()

    async def response(self) -> tuple[bytes, bytes]:
        """One answer with a content-length: its head and its body."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        return head, await self.reader.readexactly(int(length.group(1))) if length else b""


class Part:
    """A body that a test feeds, part by part: bytes, None for the end, an error to fail."""

    def __init__(self, *parts: bytes | None, trailers: Headers = ()) -> None:
        self.queue: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()
        for part in parts:
            self.queue.put_nowait(part)
        self.trailers = trailers
        self.reads = 0
        self.closed = asyncio.Event()

    async def read(self) -> bytes:
        self.reads += 1
        part = await self.queue.get()
        if isinstance(part, Exception):
            raise part
        return part or b""

    def close(self) -> None:
        self.closed.set()


async def read_whole(request: Request) -> bytes:
    """The body, with what follows it."""
    parts = [request.body]
    while request.rest is not None and (part := await request.rest.read()):
        parts.append(part)
    return b"".join(parts)


def run(scenario: Callable[[Served], Awaitable[None]], **front: object) -> None:
    """Run a scenario against a front, then stop it, which must leave nothing behind."""

    async def whole() -> None:
        served = Served(HttpFront(**front))
        await served.start()
        async with asyncio.timeout(60):
            await scenario(served)
            served.go.set()
            served.front.stop()
            await served.front.wait()
        assert served.front._budget._left == 256 * MIB or "most_body_bytes" in front

    asyncio.run(whole(), debug=False)


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def statuses(answer: bytes) -> list[int]:
    return [int(code) for code in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]
