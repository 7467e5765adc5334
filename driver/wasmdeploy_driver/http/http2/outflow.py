"""The writing side of a stream: an answer goes out as fast as its client's windows and the other streams let it."""

from __future__ import annotations

import asyncio
import contextlib

from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError

from wasmdeploy_driver.http.gate import Gate
from wasmdeploy_driver.http.http2.carrier import Carrier
from wasmdeploy_driver.http.message import BrokenBodyError
from wasmdeploy_driver.http.outbound import Outbound


class Outflow:
    """Takes the body of one answer; `closed` once its client does not want it any more."""

    def __init__(self, carrier: Carrier, number: int) -> None:
        self.closed = False
        self._carrier = carrier
        self._number = number
        self._room = Gate()  # closed while the client's window is

    def open(self) -> None:
        """There is room for more."""
        self._room.open()

    def close(self) -> None:
        """The client wants no more."""
        self.closed = True
        self._room.open()

    def reset(self, code: ErrorCodes) -> None:
        """End the stream here, unless the client has."""
        if not self.closed:
            self.close()
            with contextlib.suppress(ProtocolError):  # it is closed already
                self._carrier.h2.reset_stream(self._number, code)
            self._carrier.flush()

    async def put(self, data: bytes | memoryview, *, end: bool) -> None:
        """Send it all, and with `end` the end of the answer; raises BrokenBodyError."""
        h2, left = self._carrier.h2, memoryview(data)
        while left:
            size = min(await self._window(), h2.max_outbound_frame_size, len(left))
            h2.send_data(self._number, bytes(left[:size]), end_stream=end and size == len(left))
            left = left[size:]
            self._carrier.flush()
            await self._carrier.gate.passed()
            if left:
                await asyncio.sleep(0)  # the turn of the other streams

    async def put_rest(self, outbound: Outbound) -> None:
        """Send what comes, and then the trailers and the end; raises BrokenBodyError."""
        while part := await outbound.next():
            await self.put(part, end=False)
        if self.closed:
            return
        if outbound.trailers:
            self._carrier.h2.send_headers(self._number, outbound.trailers, end_stream=True)
        else:
            self._carrier.h2.end_stream(self._number)
        self._carrier.flush()

    async def _window(self) -> int:
        while not self.closed:
            window = self._carrier.h2.local_flow_control_window(self._number)
            if window > 0:
                return window
            self._carrier.flush()  # the head does not need the window
            self._room.closed = True
            try:
                async with asyncio.timeout(self._carrier.shared.patience.idle):
                    await self._room.passed()
            except TimeoutError:
                raise BrokenBodyError("the client does not read") from None
        raise BrokenBodyError("the client has gone")
