"""Requests out of a connection's bytes, without I/O (the only home of httptools).

llhttp parses whatever it is given to its end, so it is given little at a time, and nothing while a request
waits for its answer: what a client pipelines stays unparsed bytes, which the connection bounds.

The events that it calls stay in the reader, although that is long: each of them, and each bound, may end the
request that the next one goes on with.
"""

from __future__ import annotations

import re
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import httptools

from wasmdeploy_driver.http.bounds import PASS_ON_BYTES, Bounds, Budget
from wasmdeploy_driver.http.collected import Collected
from wasmdeploy_driver.http.head import Head, Refused, read_head
from wasmdeploy_driver.http.inbound import InboundBody
from wasmdeploy_driver.http.message import Headers, Request
from wasmdeploy_driver.http.trailers import allowed_trailers

_SLICE = 4096
_BODY_SLICE = 64 << 10
_METHOD = re.compile(rb"[\r\n]*[!#$%&'*+\-.^_`|~0-9A-Za-z]+ ")


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request, and what its client expects of the connection; its `body` is taken from the budget."""

    request: Request
    keep_alive: bool
    http10: bool


class Reader:
    """One connection's requests: `feed` takes bytes, `next` gives the next request.

    It is whole, unless `open_body` is there: then a large one comes as soon as much of it has, and `begin`
    gives what has come of any. `pump` reads on in a body that was passed on so.
    """

    def __init__(
        self,
        bounds: Bounds,
        budget: Budget,
        client: str,
        open_body: Callable[[], InboundBody] | None = None,
        left: Callable[[], bool] = bool,
    ) -> None:
        self._left = left
        self._open_body = open_body
        self._pass_on = PASS_ON_BYTES if open_body is not None else sys.maxsize
        self._bounds = bounds
        self._budget = budget
        self._collected = Collected(budget)
        self._client = client
        self._rest: bytes | memoryview = b""
        self._ready: deque[Incoming] = deque()
        self._refused: Refused | None = None
        self._last = False
        self._parser = httptools.HttpRequestParser(self)
        self._in_head = False
        self._head: Head | None = None
        self._head_size = 0
        self._silent = 0  # bytes since the body last grew: chunk extensions, trailers
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._size = 0  # of the body, as far as it has come
        self._trailers: list[tuple[bytes, bytes]] = []
        self._body: InboundBody | None = None  # of the request that was or will be passed on before its end
        self._passed_on = False
        self._resumed = False

    @property
    def buffered(self) -> int:
        """How many bytes wait unparsed."""
        return len(self._rest)

    @property
    def part(self) -> str:
        """What of a request has begun to come: `head`, `body`, or nothing."""
        if self._head is not None:
            return "body"
        return "head" if self._in_head or self._rest or self._ready else ""

    @property
    def start(self) -> bytes:
        """The first bytes of what is not parsed, enough to tell HTTP/2 by."""
        return bytes(self._rest[:24])

    @property
    def unfinished(self) -> bool:
        """Whether the request that was passed on has not come to its end."""
        return self._passed_on

    @property
    def missing(self) -> int:
        """How many bytes of a body with a declared length are still to come."""
        head = self._head
        return head.length - self._size if head is not None and head.length is not None else 0

    @property
    def waits(self) -> bool:
        """Whether the client waits for 100, and has not begun with the body."""
        head = self._head
        return head is not None and head.expects and not (self._resumed or self._size)

    def take(self) -> bytes:
        """All that is not parsed, for another reader."""
        rest, self._rest = bytes(self._rest), b""
        return rest

    def feed(self, data: bytes) -> None:
        """Take what came in."""
        self._rest = bytes(self._rest) + data if self._rest else data

    def next(self) -> Incoming | None:
        """The next request, None where more bytes are needed; raises Refused, once and for all."""
        while not self._ready:
            if self._refused is not None:
                raise self._refused
            if self._body is not None or self._collected.size > self._pass_on:
                return self.begin()
            if not self._rest or self._last:
                return None
            self._parse()
        return self._ready.popleft()

    def begin(self) -> Incoming | None:
        """The request whose body has begun to come, None where none has."""
        head = self._head
        if head is None or self._open_body is None:
            return None
        if self._body is None:
            self._body = self._open_body()
        self._passed_on = True
        return self._incoming(head, self._body, ())

    def pump(self, *, ended: bool) -> None:
        """Read on in the body that was passed on while there is room in it; `ended` when the client has."""
        while self._passed_on and self._body is not None and self._refused is None:
            if self._rest and not self._body.full:
                self._parse()
            elif ended and not self._rest:
                self._refuse(Refused(400, "the request body was cut off"))
            else:
                return

    def wants_continue(self) -> bool:
        """Whether the client waits for 100 now; True once for a request."""
        waits = self.waits
        self._resumed = self._resumed or waits
        return waits

    def close(self) -> None:
        """Give the memory back: nothing more is read."""
        for incoming in self._ready:
            self._budget.give(len(incoming.request.body))
        self._ready.clear()
        self._refuse(Refused(400, "closed"))

    def _parse(self) -> None:
        piece, size = self._rest, _SLICE
        if self._head is not None and self._head.length is not None:
            size = max(size, self._head.length - self._size)
        if self._body is not None:
            size = min(size, _BODY_SLICE)
        if len(piece) > size:
            view = memoryview(piece)
            piece, self._rest = view[:size], view[size:]
        else:
            self._rest = b""
        before = self._size
        try:
            self._parser.feed_data(piece)
        except httptools.HttpParserUpgrade as upgrade:
            self._ignore_upgrade(bytes(piece[upgrade.args[0] :]))
        except httptools.HttpParserError as error:
            self._malformed(error, piece)
        if self._in_head:
            self._head_size += len(piece)
            if self._head_size > self._bounds.head:
                self._refuse(Refused(431, f"the request head is larger than {self._bounds.head >> 10} KiB"))
        elif self._head is not None:
            self._silent = 0 if self._size > before else self._silent + len(piece)
            if self._silent > self._bounds.head:
                self._refuse(Refused(400, "the chunks of the request have too large extensions or trailers"))

    def _ignore_upgrade(self, rest: bytes) -> None:
        """Go on behind the head of a request that asks for another protocol, and stays one of HTTP/1.1.

        llhttp ends there, as if what follows, the request's own body too, were of that protocol: a new
        parser reads that body, behind a head which says no more than how long it is.
        """
        self._rest = rest + bytes(self._rest)
        self._parser = httptools.HttpRequestParser(self)
        if (head := self._head) is not None:
            length = (
                b"transfer-encoding: chunked" if head.length is None else b"content-length: %d" % head.length
            )
            self._parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n\r\n" % length)

    def _malformed(self, error: Exception, piece: bytes | memoryview) -> None:
        method = self._parser.get_method() if self._in_head else b""
        if isinstance(error, httptools.HttpParserInvalidMethodError):
            # Only at the start of the piece is it known where the request begins.
            named = not (self._head_size or self._ready) and _METHOD.match(piece)
            self._refuse(Refused(501, "no such method") if named else Refused(400, "no HTTP request"))
        elif method == b"PRI":
            self._refuse(Refused(505, "only HTTP/1.1 and HTTP/1.0 are spoken here"))
        else:
            self._refuse(Refused(400, f"no HTTP request: {error}"))

    def _refuse(self, refused: Refused) -> None:
        if not self._last and self._refused is None:
            self._refused = refused
        self._collected.drop()
        self._head, self._in_head, self._rest = None, False, b""
        if self._body is not None:
            self._body.fail(refused)

    # llhttp's events; after a refusal it may go on to the end of its piece, to no effect

    def on_message_begin(self) -> None:
        """A head begins."""
        if self._head is None:
            self._in_head, self._head_size, self._silent, self._target, self._headers = True, 0, 0, b"", []

    def on_url(self, part: bytes) -> None:
        """A part of the target."""
        self._target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header, or one trailer."""
        fields = self._headers if self._in_head else self._trailers
        fields.append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        """The head is whole, or the one that says how to read the body of an ignored upgrade."""
        if self._trailers:
            self._trailers = []
        if not self._in_head or self._refused is not None or self._last:
            return
        try:
            self._head = self._read_head()
        except Refused as refused:
            self._refuse(refused)
        else:
            self._in_head, self._resumed, self._size = False, False, 0

    def _read_head(self) -> Head:
        parser, bounds = self._parser, self._bounds
        if len(self._headers) > bounds.headers:
            raise Refused(431, f"the request has more than {bounds.headers} headers")
        keep_alive = parser.should_keep_alive()
        head = read_head(
            parser.get_method(), parser.get_http_version(), self._target, self._headers, keep_alive
        )
        if head.length and bounds.too_large(head.length):
            raise self._too_large()
        return head

    def on_body(self, data: bytes) -> None:
        """A part of the body."""
        if self._head is None:
            return
        if self._bounds.too_large(self._size + len(data)):
            self._refuse(self._too_large())
            return
        self._size += len(data)
        if self._body is None:
            if self._collected.add(data):
                return
            if self._open_body is None:
                self._refuse(Refused(503, "too many request bodies at once"))
                return
            self._body = self._open_body()  # no memory is left, but a stream needs little of it
        self._body.feed(data)

    def on_message_complete(self) -> None:
        """The request is whole, unless it asked for an upgrade and its body is still to come."""
        head = self._head
        if head is None or (
            self._size != head.length if head.length is not None else self._parser.should_upgrade()
        ):
            return
        trailers: Headers = ()
        if self._trailers:
            if len(self._trailers) > self._bounds.headers:
                self._refuse(Refused(431, f"the request has more than {self._bounds.headers} trailers"))
                return
            trailers = allowed_trailers(self._trailers)
        if not self._passed_on:
            self._ready.append(self._incoming(head, self._body, trailers))
        if self._body is not None:
            self._body.end(trailers)
            self._body, self._passed_on = None, False
        self._head, self._last = None, not head.keep_alive

    def _incoming(self, head: Head, rest: InboundBody | None, trailers: Headers) -> Incoming:
        body = self._collected.take() if self._collected.size else b""
        request = Request(
            head.method, head.scheme, head.authority, head.target, head.headers, body, self._client, rest,
            trailers, self._left,
        )  # fmt: skip
        return Incoming(request, head.keep_alive, head.http10)

    def _too_large(self) -> Refused:
        return Refused(413, f"the request body is larger than {self._bounds.body >> 20} MiB")
