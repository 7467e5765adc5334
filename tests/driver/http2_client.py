"""A client that speaks HTTP/2 frame by frame."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Callable
from typing import Any

from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError

from tests.driver.served import Client

HEAD = ((b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"a"), (b":path", b"/"))
POST = ((b":method", b"POST"), *HEAD[1:])


class Http2Client:
    """h2 without its own checks, so that it also says what a client must not."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.h2 = H2Connection(
            H2Configuration(
                client_side=True,
                header_encoding=None,
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
                validate_inbound_headers=True,
            )
        )
        self.events: list[events.Event] = []
        self.goaways: list[tuple[int, int]] = []  # kept from h2, which would take no frame behind one
        self._unread = b""
        self.grants = True  # whether room is given back as the answer comes
        self.h2.initiate_connection()
        self.flush()

    def flush(self) -> None:
        self.client.writer.write(self.h2.data_to_send())

    def ask(self, *extra: tuple[bytes, bytes], head=HEAD, body: bytes | None = None) -> int:
        """Send a request, without its end where `body` is empty, without a body where it is None."""
        number = self.h2.get_next_available_stream_id()
        self.h2.send_headers(number, [*head, *extra], end_stream=body is None)
        if body:
            self.h2.send_data(number, body, end_stream=True)
        self.flush()
        return number

    def take_back(self, *extra: tuple[bytes, bytes], head=HEAD) -> None:
        """Make a request and its reset, which go out with what is sent next."""
        number = self.h2.get_next_available_stream_id()
        self.h2.send_headers(number, [*head, *extra])
        self.h2.reset_stream(number, ErrorCodes.CANCEL)

    async def settled(self) -> None:
        """Wait until the server has looked at all that was sent."""
        data = struct.pack(">Q", len(self.events))
        self.h2.ping(data)
        self.flush()
        await self.until(lambda event: isinstance(event, events.PingAckReceived) and event.ping_data == data)

    async def until(self, met: Callable[[Any], bool]) -> Any:
        """The first event that is met, from the beginning; None where the connection ends before."""
        seen = 0
        while True:
            for event in self.events[seen:]:
                seen += 1
                if met(event):
                    return event
            if not await self.receive():
                return None

    async def receive(self) -> bool:
        """Take what comes in; False at the end."""
        data = await self.client.reader.read(65_536)
        self._unread += data
        while len(self._unread) >= 9 + (length := int.from_bytes(self._unread[:3], "big")):
            frame, self._unread = self._unread[: 9 + length], self._unread[9 + length :]
            if frame[3] == 7:
                self.goaways.append(struct.unpack(">II", frame[9:17]))
            else:
                self._take(frame)
        self.flush()
        return bool(data)

    async def goaway(self, count: int = 1) -> tuple[int, int]:
        """The last stream and the code of a GOAWAY."""
        while len(self.goaways) < count:
            assert await self.receive(), "no GOAWAY came"
        return self.goaways[count - 1]

    def _take(self, frame: bytes) -> None:
        for event in self.h2.receive_data(frame):
            self.events.append(event)
            if isinstance(event, events.DataReceived) and self.grants:
                with contextlib.suppress(ProtocolError):
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)

    async def of(self, kind: type, number: int | None = None) -> Any:
        """The first event of a kind, of one stream."""
        return await self.until(
            lambda event: isinstance(event, kind) and number in (None, getattr(event, "stream_id", None))
        )

    async def answer(self, number: int) -> tuple[dict[bytes, bytes], bytes]:
        """The whole answer of a stream, which must end."""
        ended = await self.until(
            lambda event: (
                isinstance(event, events.StreamEnded | events.StreamReset) and event.stream_id == number
            )
        )
        assert isinstance(ended, events.StreamEnded), ended
        return self.head(number), self.body(number)

    async def status(self, number: int) -> int:
        return int((await self.answer(number))[0][b":status"])

    def head(self, number: int) -> dict[bytes, bytes]:
        for event in self.events:
            if isinstance(event, events.ResponseReceived) and event.stream_id == number:
                return dict(event.headers)
        raise AssertionError("no head")

    def body(self, number: int) -> bytes:
        return b"".join(
            event.data
            for event in self.events
            if isinstance(event, events.DataReceived) and event.stream_id == number
        )


async def until(met: Callable[[], bool]) -> None:
    """Let the loop run until this is so."""
    while not met():
        await asyncio.sleep(0)
