"""One request over HTTP/2 and its answer; others go on beside it on the same connection."""

from __future__ import annotations

import asyncio
import contextlib

from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError

from wasmdeploy_driver.http.bounds import MOST_WAITING, PASS_ON_BYTES, PASS_ON_SECONDS
from wasmdeploy_driver.http.collected import Collected
from wasmdeploy_driver.http.head import Head, Refused
from wasmdeploy_driver.http.http2.carrier import Carrier
from wasmdeploy_driver.http.http2.head import response_fields, too_large
from wasmdeploy_driver.http.http2.outflow import Outflow
from wasmdeploy_driver.http.inbound import InboundBody
from wasmdeploy_driver.http.message import Headers, Request, Response, text_response
from wasmdeploy_driver.http.outbound import Outbound, declared_length
from wasmdeploy_driver.http.shared import answer_to
from wasmdeploy_driver.http.wire import NO_BODY
from wasmdeploy_driver.timer import Timer

# Room that a client may use again is told in portions of this size.
_PORTION = MOST_WAITING // 4


class Stream:
    """Collects a request until it is passed on, then sends the answer."""

    def __init__(self, carrier: Carrier, number: int) -> None:
        self._carrier = carrier
        self._number = number
        self._head: Head | None = None
        self._collected = Collected(carrier.shared.budget)
        self._size = 0  # of the body, as far as it has come
        self._body: InboundBody | None = None
        self._ended = False  # the request is whole
        self._outflow = Outflow(carrier, number)
        self._continued = False
        self._begun = False  # the answer's head is out
        self._owed = 0  # of the client's window, to be given back
        self._outbound: Outbound | None = None
        self._timer = Timer(self._waited)
        self._task: asyncio.Task[None] | None = None

    # what the client does

    def start(self, head: Head, *, ended: bool) -> None:
        """The request's head has come, and all of the request where it has `ended`."""
        self._head = head
        streams = self._carrier.shared.bounds.stream
        if ended:
            self.end(())
        elif streams and head.expects:  # the application decides whether it wants the body
            self._pass_on()
        else:
            if head.expects:
                self.wanted()
            self._wait()

    def data(self, data: bytes, padding: int) -> None:
        """A part of the body has come."""
        self._owed += padding
        if self._outflow.closed or self._ended:
            return
        shared = self._carrier.shared
        self._size += len(data)
        if shared.bounds.too_large(self._size):
            self.refuse(too_large(shared.bounds))
        elif self._body is not None:
            if not self._body.feed(data):
                self.refuse(Refused(503, "too many request bodies at once"))
        elif self._task is None:
            self._collect(data)

    def end(self, trailers: Headers) -> None:
        """The request is whole."""
        if self._ended:
            return
        self._ended = True
        if self._body is not None:
            self._body.end(trailers)
        elif self._task is None:
            self._begin(None, trailers)

    def refuse(self, refused: Refused) -> None:
        """Answer so, unless the application has; the rest of the request is not looked at."""
        if self._body is not None:
            self._body.fail(refused)
        elif self._task is None:
            self._forget_body()
            self._task = asyncio.get_running_loop().create_task(self._answer(refused))

    def leave(self) -> None:
        """The client does not want the answer; a guest that still works for it goes on, and nobody hears it."""
        if self._outflow.closed:
            return
        self._outflow.close()
        if self._body is not None:
            self._body.fail(Refused(400, "the client has gone"))
        if self._outbound is not None:
            self._outbound.close()
        if self._task is None:
            self._forget_body()
            self._carrier.done(self._number)
        elif self._outbound is not None:
            self._task.cancel()

    def window_opened(self) -> None:
        """There is room for more of the answer."""
        self._outflow.open()

    @property
    def idle(self) -> bool:
        """Whether nothing of an answer has gone out."""
        return not self._begun

    # inbound.Source: the rest of the body, which the application reads

    def wanted(self) -> None:
        """The application waits for more of the body."""
        expects = self._head is not None and self._head.expects
        if expects and not (self._continued or self._begun or self._size or self._outflow.closed):
            self._continued = True
            with contextlib.suppress(ProtocolError):  # its reset has come, and is looked at next
                self._carrier.h2.send_headers(self._number, [(b":status", b"100")])
            self._carrier.flush()

    def taken(self, size: int) -> None:
        """There is room for more of the body."""
        self._owed += size
        if self._owed >= _PORTION and not (self._ended or self._outflow.closed):
            owed, self._owed = self._owed, 0
            with contextlib.suppress(ProtocolError, KeyError):  # its reset has come, and is looked at next
                self._carrier.h2.increment_flow_control_window(owed, self._number)
            self._carrier.flush()

    def left(self) -> None:
        """Nobody wants the rest of the body; its client stops when its window is used up, or the answer is there."""

    # the request

    def _collect(self, data: bytes) -> None:
        shared = self._carrier.shared
        if not self._collected.add(data):
            self.refuse(Refused(503, "too many request bodies at once"))
            return
        self.taken(len(data))
        if shared.bounds.stream and self._collected.size > PASS_ON_BYTES:
            self._pass_on()
        elif not shared.bounds.stream:
            self._wait()

    def _wait(self) -> None:
        shared = self._carrier.shared
        seconds = PASS_ON_SECONDS if shared.bounds.stream else shared.patience.body
        self._timer.set(seconds)

    def _waited(self) -> None:
        if self._carrier.shared.bounds.stream:
            self._pass_on()
        else:
            self.refuse(Refused(408, "the request body took too long"))

    def _pass_on(self) -> None:
        shared = self._carrier.shared
        self._body = InboundBody(self, shared.budget, shared.patience.body)
        self._begin(self._body, ())

    def _begin(self, rest: InboundBody | None, trailers: Headers) -> None:
        head = self._head
        if head is None:
            return
        body = self._collected.take()
        request = Request(
            head.method, head.scheme, head.authority, head.target, head.headers, body, self._carrier.client,
            rest, trailers, lambda: self._outflow.closed,
        )  # fmt: skip
        self._forget_body()
        self._task = asyncio.get_running_loop().create_task(self._answer(request))

    def _forget_body(self) -> None:
        self._collected.drop()
        self._timer.stop()

    # the answer

    async def _answer(self, request: Request | Refused) -> None:
        carrier = self._carrier
        try:
            await self._send(await self._response_to(request))
        except Exception as error:  # noqa: BLE001  # one failed request
            if not self._outflow.closed:
                answer_to(error)
            self._outflow.reset(ErrorCodes.INTERNAL_ERROR)
        finally:
            if self._outbound is not None:
                self._outbound.close()
            if isinstance(request, Request):
                carrier.shared.budget.give(len(request.body))
            if self._body is not None:
                self._body.close()
            carrier.done(self._number)

    async def _response_to(self, request: Request | Refused) -> Response:
        if isinstance(request, Refused):
            return text_response(request.status, request.text)
        answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()

        def done(response: Response) -> None:
            if not answer.done():  # nobody waits any more
                answer.set_result(response)

        try:
            self._carrier.shared.handle(request, done)
        except Exception as error:  # noqa: BLE001  # one failed request
            return answer_to(error)
        return await answer

    async def _send(self, response: Response) -> None:
        carrier, number = self._carrier, self._number
        method = self._head.method if self._head is not None else ""
        if self._body is not None and self._body.broken is not None and not self._outflow.closed:
            if response.rest is not None:
                response.rest.close()
            response = text_response(self._body.broken.status, self._body.broken.text)
        outbound = self._outbound = Outbound(response, declared_length(response.headers))
        if self._outflow.closed:
            return
        whole = response.rest is None and not response.trailers
        bodiless = method == "HEAD" or response.status in NO_BODY
        first = b"" if bodiless else outbound.first()
        fields = response_fields(response, carrier.shared.clock.date(), whole=whole and method != "HEAD")
        ends = bodiless or (whole and not first)
        carrier.h2.send_headers(number, fields, end_stream=ends)
        self._begun = True
        if self._body is not None:
            self._body.seconds = carrier.shared.patience.idle
        if not first:
            carrier.flush()
        if not ends:
            await self._outflow.put(first, end=whole)
            if not whole:
                await self._outflow.put_rest(outbound)
        if not (self._ended or self._outflow.closed):  # nobody reads the rest of the request (RFC 9113, 8.1)
            self._outflow.reset(ErrorCodes.NO_ERROR)
