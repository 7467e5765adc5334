"""One client's HTTP/2 connection: frames in and out, its streams, and how it ends.

    serving ── stop ──▶ warned: GOAWAY that still takes requests, PING ── answered ──▶ leaving: GOAWAY with the
    last request that counts ── the last stream ends ──▶ ending ──▶ gone

A client whose requests cross the first GOAWAY loses none (RFC 9113, 6.8). Room on the connection is given back
as bytes come, room on a stream when its application takes them: no stream that is not read holds up another.
"""

from __future__ import annotations

import asyncio
import contextlib

from h2 import events
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError
from hyperframe.frame import GoAwayFrame

from wasmdeploy_driver.http.head import Refused
from wasmdeploy_driver.http.http2.flood import Flood
from wasmdeploy_driver.http.http2.head import read_head, read_trailers
from wasmdeploy_driver.http.http2.settings import DECODED, MOST_STREAMS, new_h2
from wasmdeploy_driver.http.http2.sizes import Sizes
from wasmdeploy_driver.http.http2.stream import Stream
from wasmdeploy_driver.http.message import Headers
from wasmdeploy_driver.http.output import Output
from wasmdeploy_driver.http.shared import Shared
from wasmdeploy_driver.timer import Timer

_WINDOW = 1 << 20
_DEFAULT_WINDOW = 65_535
_SLICE = 16 << 10
_LAST_OF_ALL = 2**31 - 1
_IDLE = (
    events.PingReceived, events.RemoteSettingsChanged, events.PriorityUpdated,
    events.UnknownFrameReceived, events.WindowUpdated,
)  # fmt: skip


class Http2Connection(asyncio.Protocol):
    """Frames in, requests to the application, answers out."""

    def __init__(self, shared: Shared, transport: asyncio.Transport, client: str) -> None:
        self.shared = shared
        self.client = client
        self.h2 = new_h2(shared.bounds.head)
        self._output = Output(transport, shared.patience)
        self.gate = self._output.gate
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._sizes = Sizes(shared.bounds.head * DECODED)
        self._streams: dict[int, Stream] = {}
        self._flood = Flood(self._loop.time())
        self._last = 0  # the newest stream that was taken
        self._unacknowledged = 0
        self._warned = self._leaving = self._ending = self._lost = False
        self._timer = Timer(self._too_slow)

    def start(self, data: bytes) -> None:
        """Take the connection over, with what has come of it."""
        self.h2.initiate_connection()
        self.h2.increment_flow_control_window(_WINDOW - _DEFAULT_WINDOW)
        self._wait(self.shared.patience.idle)
        self.data_received(data)
        if self.shared.stopping:
            self.close_if_idle()

    # the transport's calls

    def data_received(self, data: bytes) -> None:
        """The client has sent bytes."""
        for start in range(0, len(data), _SLICE):
            piece = data[start : start + _SLICE]
            if self._ending:
                return
            if (code := self._sizes.refuses(piece)) is not None:
                self._close(code)
                return
            try:
                received = self.h2.receive_data(piece)
            except ProtocolError:  # h2 has told the client in a GOAWAY
                self._end(linger=True)
                return
            for event in received:
                self._take(event)
            self.flush()

    def eof_received(self) -> bool:
        """The client sends no more, and so could not take an answer that is longer than its window."""
        return False

    def pause_writing(self) -> None:
        """The client does not read as fast as it is written to; nor is it read, or its PINGs would pile up."""
        self._output.hold()
        if not self._ending:
            self._transport.pause_reading()
            self._wait(self.shared.patience.idle)

    def resume_writing(self) -> None:
        """What was written has gone out."""
        self.gate.open()
        if not self._ending:
            self._transport.resume_reading()
            self._rest()

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is closed."""
        self._lost = self._ending = True
        self._timer.stop()
        self.gate.open()
        for stream in tuple(self._streams.values()):
            stream.leave()
        self._check_end()

    # frames

    def _take(self, event: events.Event) -> None:
        if self._ending:
            return
        if isinstance(event, _IDLE) and not self._flood.spend(1, self._loop.time()):
            self._close(ErrorCodes.ENHANCE_YOUR_CALM)
        elif isinstance(event, events.RequestReceived):
            self._request(event.stream_id, tuple(event.headers), ended=event.stream_ended is not None)
        elif isinstance(event, events.DataReceived):
            self._data(event.stream_id, event.data, event.flow_controlled_length)
        elif isinstance(event, events.WindowUpdated | events.RemoteSettingsChanged):
            for stream in tuple(self._streams.values()):
                stream.window_opened()
        elif isinstance(event, events.PingAckReceived):
            if self._warned:
                self._leave()
        elif isinstance(event, events.ConnectionTerminated):
            self._leaving = True
            self._check_end()
        else:
            self._in_stream(event)

    def _in_stream(self, event: events.Event) -> None:
        number = getattr(event, "stream_id", None)
        stream = self._streams.get(number) if isinstance(number, int) else None
        if isinstance(event, events.StreamReset):
            early = stream is not None and stream.idle
            if not self._flood.spend(10 if early else 1, self._loop.time()):
                self._close(ErrorCodes.ENHANCE_YOUR_CALM)
            elif stream is not None:
                stream.leave()
        elif stream is None:
            return
        elif isinstance(event, events.TrailersReceived):
            try:
                stream.end(read_trailers(tuple(event.headers), self.shared.bounds))
            except Refused as refused:
                stream.refuse(refused)
        elif isinstance(event, events.StreamEnded):
            stream.end(())

    def _request(self, number: int, fields: Headers, *, ended: bool) -> None:
        # A guest works on when its client has taken the request back: it counts as long as it does.
        if self._leaving or len(self._streams) >= MOST_STREAMS:
            with contextlib.suppress(ProtocolError):  # the client took it back in the same breath
                self.h2.reset_stream(number, ErrorCodes.REFUSED_STREAM)
            return
        self._last = number
        if not self.gate.closed:
            self._timer.stop()
        stream = self._streams[number] = Stream(self, number)
        try:
            stream.start(read_head(fields, self.shared.bounds), ended=ended)
        except Refused as refused:
            stream.refuse(refused)

    def _data(self, number: int, data: bytes, size: int) -> None:
        self._unacknowledged += size
        if self._unacknowledged >= _WINDOW // 4:
            self.h2.increment_flow_control_window(self._unacknowledged)
            self._unacknowledged = 0
        if not data and not self._flood.spend(1, self._loop.time()):
            self._close(ErrorCodes.ENHANCE_YOUR_CALM)
        elif (stream := self._streams.get(number)) is not None:
            stream.data(data, size - len(data))

    # stream.Carrier

    def flush(self) -> None:
        """Send what h2 has made."""
        data = self.h2.data_to_send()
        if data and not (self._ending or self._transport.is_closing()):
            self._flood.earn(2)
            self._transport.write(data)

    def done(self, number: int) -> None:
        """This stream has ended."""
        self._streams.pop(number, None)
        self._flood.earn(2)
        self._check_end()
        if not self._ending:
            self._rest()

    # the end

    @property
    def idle(self) -> bool:
        """Whether no request is under way."""
        return not (self._streams or self._ending)

    def close_if_idle(self) -> None:
        """The front stops: ask for no further requests, and close behind the answers under way."""
        if not (self._warned or self._leaving or self._ending):
            self._warned = True
            self._go_away(_LAST_OF_ALL)
            self.h2.ping(b"goodbye.")
            self.flush()
            self._loop.call_later(self.shared.patience.linger, self._leave)

    def abort(self) -> None:
        """Close now, whatever is under way."""
        self._transport.abort()

    def _leave(self) -> None:
        if not (self._leaving or self._ending):
            self._leaving = True
            self._go_away(self._last)
            self._check_end()

    def _go_away(self, last: int) -> None:
        # h2's own frame would be the end of its connection, and of the answers under way.
        self.flush()
        self._transport.write(GoAwayFrame(0, last_stream_id=last).serialize())

    def _close(self, code: ErrorCodes) -> None:
        self.h2.close_connection(code)
        self._end(linger=True)

    def _check_end(self) -> None:
        if self._streams:
            return
        if self._lost:
            self.shared.forget(self)
        elif self._leaving and not self._ending:
            self._end(linger=True)

    def _end(self, *, linger: bool) -> None:
        """Close once all is written."""
        self.flush()
        self._ending = True
        for stream in tuple(self._streams.values()):
            stream.leave()
        self._wait(self._output.end(linger=linger))

    # time

    def _rest(self) -> None:
        """Wait for a request where none is under way."""
        self._timer.stop()
        if self.gate.closed or not self._streams:
            self._wait(self.shared.patience.idle)

    def _wait(self, seconds: float) -> None:
        if not self._lost:
            self._timer.set(seconds)

    def _too_slow(self) -> None:
        if self._output.shrinks():
            self._wait(self.shared.patience.idle)
        elif self._ending or self.gate.closed:
            self._transport.abort()
        else:
            self._leaving = True
            self._go_away(self._last)
            self._end(linger=False)
