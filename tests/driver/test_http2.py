"""HTTP/2 without TLS over real sockets: with raw frames, with httpx and with curl."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import struct
import subprocess
import sys
from collections.abc import AsyncIterator

import httpx
import pytest
from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.settings import SettingCodes

from tests.driver.http2_client import HEAD, POST, Http2Client, until
from tests.driver.served import GET, MIB, Part, Served, read_whole, run, statuses
from wasmdeploy_driver.http.bounds import MOST_WAITING, Bounds, Patience
from wasmdeploy_driver.http.http2.settings import MOST_STREAMS
from wasmdeploy_driver.http.message import BrokenBodyError, Request, Response

STREAM = Bounds(stream=True)
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


@contextlib.asynccontextmanager
async def connected(served: Served) -> AsyncIterator[Http2Client]:
    async with served.connect() as client:
        yield Http2Client(client)


async def echo(request: Request) -> Response:
    return Response(200, (), await read_whole(request))


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def test_a_request_and_its_answer() -> None:
    """The application sees the same request as over HTTP/1.1, and its answer gets a date and a length."""

    async def scenario(served: Served) -> None:
        served.answer = lambda _: Response(200, ((b"x", b"1"), (b"x", b"2")), b"hello")
        async with connected(served) as client:
            number = client.ask((b"x-a", b"\xff"), (b"cookie", b"a=1"), (b"cookie", b"b=2"))
            head, body = await client.answer(number)
            assert body == b"hello"
            assert set(head) == {b":status", b"x", b"date", b"content-length"}
            assert (head[b":status"], head[b"content-length"]) == (b"200", b"5")
        assert served.asked == [
            Request(
                "GET", "http", b"a", b"/",
                ((b"host", b"a"), (b"x-a", b"\xff"), (b"cookie", b"a=1; b=2")), b"", "127.0.0.1",
            )
        ]  # fmt: skip

    run(scenario)


@pytest.mark.parametrize("step", [1, 7])
def test_bytes_one_by_one(step: int) -> None:
    """The preface and the frames may come in any pieces."""

    async def scenario(served: Served) -> None:
        maker = H2Connection(H2Configuration(client_side=True))
        maker.initiate_connection()
        maker.send_headers(1, [*HEAD], end_stream=True)
        data = maker.data_to_send()
        async with served.connect() as raw:
            for at in range(0, len(data), step):
                raw.writer.write(data[at : at + step])
                await raw.writer.drain()
            got = b""
            while b"\x00\x00\x01\x00\x01\x00\x00\x00\x01/" not in got:
                got += await raw.reader.read(1000)
        assert len(served.asked) == 1

    run(scenario)


def test_httpx() -> None:
    """httpx is served, requests beside one another on one connection."""

    async def scenario(served: Served) -> None:
        served.answer = echo
        host, port = served.address
        body = bytes(range(256)) * 4_000
        async with httpx.AsyncClient(http1=False, http2=True, trust_env=False) as client:
            url = f"http://{host}:{port}"
            answers = await asyncio.gather(*(client.post(f"{url}/{at}", content=body) for at in range(8)))
            assert {(answer.http_version, answer.status_code) for answer in answers} == {("HTTP/2", 200)}
            assert all(answer.content == body for answer in answers)
            assert len(served.front._shared.connections) == 1
            assert (await client.head(url)).content == b""

    run(scenario, bounds=STREAM)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl() -> None:
    """curl is served."""

    async def scenario(served: Served) -> None:
        served.answer = echo
        host, port = served.address
        command = ["curl", "-sS", "--noproxy", "*", "--http2-prior-knowledge", "-w", " %{http_version} %{http_code}",
                   "--data-binary", "@-", "-H", "Expect: 100-continue", f"http://{host}:{port}/"]  # fmt: skip
        body = b"x" * 3_000_000
        done = await asyncio.to_thread(subprocess.run, command, input=body, capture_output=True, check=False)
        assert (done.stdout[-6:], done.stderr) == (b" 2 200", b"")
        assert done.stdout[:-6] == body

    run(scenario, bounds=STREAM)


def test_streams_do_not_wait_for_each_other() -> None:
    """Requests are answered as their answers are there; a body that is not read holds up no other."""

    async def scenario(served: Served) -> None:
        async def answer(request: Request) -> Response:
            if request.target == b"/hold":
                await served.go.wait()
            return await echo(request)

        served.answer = answer
        async with connected(served) as client:
            await client.of(events.RemoteSettingsChanged)
            hold = [client.ask(head=(*POST[:3], (b":path", b"/hold")), body=b"") for _ in range(12)]
            for number in hold:
                for _ in range(MOST_WAITING // 16_384):
                    while client.h2.outbound_flow_control_window < 16_384:
                        await client.receive()
                    client.h2.send_data(number, bytes(16_384))
                    client.flush()
            other = client.ask(head=POST, body=b"quick")
            assert (await client.answer(other))[1] == b"quick"
            served.go.set()

    run(scenario, bounds=STREAM)


def test_a_body_is_left_to_its_client() -> None:
    """A stream's window is opened only as the application reads, and then all arrives."""
    size = 8 * MIB

    async def scenario(served: Served) -> None:
        async def answer(request: Request) -> Response:
            served.waiting.set()
            await served.go.wait()
            return Response(200, (), b"%d" % len(await read_whole(request)))

        served.answer = answer
        async with connected(served) as client:
            number = client.ask((b"content-length", b"%d" % size), head=POST, body=b"")
            await served.waiting.wait()
            left = size

            def send() -> None:
                nonlocal left
                while left and (room := client.h2.local_flow_control_window(number)) > 0:
                    part = min(left, room, client.h2.max_outbound_frame_size)
                    left -= part
                    client.h2.send_data(number, bytes(part), end_stream=not left)
                client.flush()

            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.3):
                    while await client.receive():
                        send()
            sent = size - left
            assert sent <= MOST_WAITING
            served.go.set()
            while left:
                send()
                await client.receive()
            assert (await client.answer(number))[1] == b"%d" % size

    run(scenario, bounds=Bounds(body=0, stream=True))


def test_bodies_in_turns() -> None:
    """A client may wait for an answer's part before it sends on."""

    async def scenario(served: Served) -> None:
        class Upper:
            trailers = ()

            def __init__(self, request: Request) -> None:
                self.rest = request.rest

            async def read(self) -> bytes:
                return (await self.rest.read()).upper()

            def close(self) -> None:
                self.rest.close()

        served.answer = lambda request: Response(200, (), request.body.upper(), Upper(request))
        async with connected(served) as client:
            number = client.ask(head=POST, body=b"")
            for letter in b"abc":
                client.h2.send_data(number, bytes((letter,)))
                client.flush()
                await until_body(client, number, bytes(range(ord("A"), letter - 31)))
            client.h2.end_stream(number)
            client.flush()
            assert (await client.answer(number))[1] == b"ABC"

    run(scenario, bounds=STREAM)


async def until_body(client: Http2Client, number: int, body: bytes) -> None:
    while client.body(number) != body:
        assert await client.receive()


def test_the_client_s_window_is_kept() -> None:
    """No more goes out than the client has room for, and the guest is not asked for more meanwhile."""

    async def scenario(served: Served) -> None:
        rest = Part(*[bytes(50_000)] * 10, None)
        served.answer = lambda request: Response(200, (), b"", rest if request.target == b"/" else None)
        async with connected(served) as client:
            client.grants = False
            number = client.ask()
            while len(client.body(number)) < 65_535:
                await client.receive()
            await asyncio.sleep(0.05)
            assert rest.reads == 2
            client.h2.increment_flow_control_window(400_000)
            client.h2.increment_flow_control_window(400_000, number)
            client.flush()
            client.grants = True
            assert len((await client.answer(number))[1]) == 500_000

    run(scenario)


def test_the_head_needs_no_window() -> None:
    """A client whose window is closed has the head of its answer at once."""

    async def scenario(served: Served) -> None:
        async with connected(served) as client:
            client.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 0})
            client.flush()
            while not any(isinstance(event, events.SettingsAcknowledged) for event in client.events):
                assert await client.receive()
            number = client.ask()  # and says nothing more
            while not any(isinstance(event, events.ResponseReceived) for event in client.events):
                assert await client.receive()
            assert client.body(number) == b""
            client.h2.increment_flow_control_window(100, number)
            client.flush()
            await until_body(client, number, b"/")

    run(scenario)


def test_a_client_that_gives_no_room() -> None:
    """Its stream is ended after a while, and the guest is told."""

    async def scenario(served: Served) -> None:
        rest = Part(*[bytes(50_000)] * 10, None)
        served.answer = lambda request: Response(200, (), b"", rest)
        async with connected(served) as client:
            client.grants = False
            number = client.ask()
            assert (await client.of(events.StreamReset, number)).error_code == ErrorCodes.INTERNAL_ERROR
            assert rest.closed.is_set()

    run(scenario, patience=Patience(idle=0.1))


def test_trailers() -> None:
    """Trailers go both ways, without those that may not stand behind a body."""
    sent = [(b"x-sum", b"1"), (b"content-type", b"a")]

    async def scenario(served: Served) -> None:
        served.answer = lambda _: Response(
            200, (), b"", Part(b"a", None, trailers=((b"x-b", b"2"), (b"date", b"")))
        )
        async with connected(served) as client:
            number = client.ask(head=POST, body=b"")
            client.h2.send_data(number, b"a")
            client.h2.send_headers(number, sent, end_stream=True)
            client.flush()
            await client.answer(number)
            (found,) = [event for event in client.events if isinstance(event, events.TrailersReceived)]
            assert list(found.headers) == [(b"x-b", b"2")]
            served.answer = lambda _: Response(200, (), b"whole", trailers=((b"x-b", b"2"),))
            number = client.ask()
            await client.answer(number)
            assert (await client.of(events.TrailersReceived, number)) is not None
            served.answer = echo
            number = client.ask(head=POST, body=b"")
            await until(lambda: len(served.asked) == 3)
            client.h2.send_headers(number, sent, end_stream=True)
            client.flush()
            await client.answer(number)
        assert served.asked[0].trailers == ((b"x-sum", b"1"),)
        assert served.asked[2].rest.trailers == ((b"x-sum", b"1"),)

    run(scenario, bounds=STREAM)


@pytest.mark.parametrize("length", [(), ((b"content-length", b"9"),)])
def test_a_body_that_breaks(length) -> None:
    """Its stream is reset, and the others go on."""

    async def scenario(served: Served) -> None:
        served.answer = lambda _: Response(200, length, b"", Part(b"a", BrokenBodyError("a trap")))
        async with connected(served) as client:
            number = client.ask()
            assert (await client.of(events.StreamReset, number)).error_code == ErrorCodes.INTERNAL_ERROR
            assert client.body(number) == b"a"
            served.answer = lambda _: Response(200, ((b"content-length", b"3"),), b"", Part(b"abcd", None))
            number = client.ask()
            assert (await client.of(events.StreamReset, number)).error_code == ErrorCodes.INTERNAL_ERROR
            served.answer = lambda _: Response(204)
            assert await client.status(client.ask()) == 204

    run(scenario)


@pytest.mark.parametrize(("method", "code"), [(b"HEAD", 200), (b"GET", 204), (b"GET", 304)])
def test_answers_without_a_body(method: bytes, code: int) -> None:
    """The rest is closed and never read."""

    async def scenario(served: Served) -> None:
        rest = Part(b"a")
        served.answer = lambda _: Response(code, (), b"x", rest)
        async with connected(served) as client:
            head, body = await client.answer(client.ask(head=((b":method", method), *HEAD[1:])))
            assert (int(head[b":status"]), body, rest.reads, rest.closed.is_set()) == (code, b"", 0, True)

    run(scenario)


def test_a_bug_of_ours_is_one_failed_request(capfd: pytest.CaptureFixture[str]) -> None:
    """An application that raises is answered for, and fields that must not go out reset their stream only."""

    async def scenario(served: Served) -> None:
        async def fail(request: Request) -> Response:
            raise ValueError("a bug")

        async with connected(served) as client:
            served.answer = fail
            assert await client.status(client.ask()) == 500
            served.answer = lambda _: Response(200, ((b":x", b"1"),))
            number = client.ask()
            assert (await client.of(events.StreamReset, number)).error_code == ErrorCodes.INTERNAL_ERROR
            served.answer = lambda _: Response(204)
            assert await client.status(client.ask()) == 204

    run(scenario)
    assert "ValueError: a bug" in capfd.readouterr().err


def test_a_client_that_takes_its_request_back() -> None:
    """The body being read breaks, the answer being written is closed; other streams go on."""

    async def scenario(served: Served) -> None:
        rest, broken = Part(b"a"), asyncio.Event()

        async def answer(request: Request) -> Response:
            if request.method == "POST":
                try:
                    await read_whole(request)
                except BrokenBodyError:
                    broken.set()
                    raise
            return Response(200, (), b"", rest)

        served.answer = answer
        async with connected(served) as client:
            first, second = client.ask(head=POST, body=b""), client.ask()
            await until_body(client, second, b"a")
            await until(lambda: len(served.asked) == 2)
            assert not any(request.left() for request in served.asked)
            client.h2.reset_stream(first, ErrorCodes.CANCEL)
            client.h2.reset_stream(second, ErrorCodes.CANCEL)
            client.flush()
            await broken.wait()
            assert all(request.left() for request in served.asked)
            await rest.closed.wait()
            served.answer = lambda _: Response(204)
            assert await client.status(client.ask()) == 204
            (connection,) = served.front._shared.connections
            assert not connection._streams

    run(scenario, bounds=STREAM)


def test_a_connection_that_is_lost() -> None:
    """All of its streams end."""

    async def scenario(served: Served) -> None:
        rests = [Part(b"a") for _ in range(3)]
        left = iter(rests)
        served.answer = lambda _: Response(200, (), b"", next(left))
        async with connected(served) as client:
            for _ in rests:
                await until_body(client, client.ask(), b"a")
        for rest in rests:
            await rest.closed.wait()
        await until(lambda: not served.front._shared.connections)

    run(scenario)


def test_100_continue() -> None:
    """100 is sent when the body is read, and never where it is not."""

    async def scenario(served: Served) -> None:
        served.answer = echo
        async with connected(served) as client:
            number = client.ask((b"expect", b"100-continue"), head=POST, body=b"")
            assert await client.of(events.InformationalResponseReceived, number)
            client.h2.send_data(number, b"abc", end_stream=True)
            client.flush()
            assert (await client.answer(number))[1] == b"abc"
            served.answer = lambda _: Response(403)
            number = client.ask((b"expect", b"100-continue"), head=POST, body=b"")
            assert await client.status(number) == 403
            assert (await client.of(events.StreamReset, number)).error_code == ErrorCodes.NO_ERROR
            kinds = [type(event) for event in client.events]
            assert kinds.count(events.InformationalResponseReceived) == 1

    run(scenario, bounds=STREAM)


BAD = {
    "no path": (HEAD[:3], 400),
    "no method": (HEAD[1:], 400),
    "no scheme": ((HEAD[0], *HEAD[2:]), 400),
    "no host": ((*HEAD[:2], HEAD[3]), 400),
    "another host": ((*HEAD, (b"host", b"b")), 400),
    "two hosts": ((*HEAD, (b"host", b"a"), (b"host", b"a")), 400),
    "a bad host": ((*HEAD[:2], (b":authority", b"a/b"), HEAD[3]), 400),
    "user information": ((*HEAD[:2], (b":authority", b"u@a"), HEAD[3]), 400),
    "a method twice": ((HEAD[0], *HEAD), 400),
    "unknown pseudo-header": ((*HEAD, (b":x", b"a")), 400),
    "protocol": ((*HEAD, (b":protocol", b"websocket")), 400),
    "a late pseudo-header": ((*HEAD[:3], (b"x", b"a"), HEAD[3]), 400),
    "a status": ((*HEAD, (b":status", b"200")), 400),
    "an empty path": ((*HEAD[:3], (b":path", b"")), 400),
    "a relative path": ((*HEAD[:3], (b":path", b"a")), 400),
    "an absolute target": ((*HEAD[:3], (b":path", b"http://a/")), 400),
    "a fragment": ((*HEAD[:3], (b":path", b"/#a")), 400),
    "a blank in the path": ((*HEAD[:3], (b":path", b"/a b")), 400),
    "a line break in the path": ((*HEAD[:3], (b":path", b"/a\r\nb: c")), 400),
    "asterisk": ((*HEAD[:3], (b":path", b"*")), 400),
    "another scheme": ((HEAD[0], (b":scheme", b"ftp"), *HEAD[2:]), 400),
    "a broken method": (((b":method", b"G T"), *HEAD[1:]), 400),
    "CONNECT": (((b":method", b"CONNECT"), (b":authority", b"a:80")), 501),
    "upper case": ((*HEAD, (b"X-A", b"a")), 400),
    "an empty name": ((*HEAD, (b"", b"a")), 400),
    "a colon in a name": ((*HEAD, (b"x:a", b"a")), 400),
    "a line break": ((*HEAD, (b"x", b"a\r\nb")), 400),
    "a null": ((*HEAD, (b"x", b"a\x00b")), 400),
    "connection": ((*HEAD, (b"connection", b"close")), 400),
    "keep-alive": ((*HEAD, (b"keep-alive", b"1")), 400),
    "proxy-connection": ((*HEAD, (b"proxy-connection", b"close")), 400),
    "transfer-encoding": ((*HEAD, (b"transfer-encoding", b"chunked")), 400),
    "upgrade": ((*HEAD, (b"upgrade", b"h2c")), 400),
    "te": ((*HEAD, (b"te", b"gzip")), 400),
    "a large header": ((*HEAD, (b"x", b"a" * 70_000)), 431),
    "many headers": ((*HEAD, *[(b"x", b"a")] * 300), 431),
}


@pytest.mark.parametrize("name", BAD)
def test_a_request_that_is_refused(name: str) -> None:
    """It gets one answer, never reaches the application, and the connection serves on."""

    async def scenario(served: Served) -> None:
        head, code = BAD[name]
        async with connected(served) as client:
            client.h2.local_settings.acknowledge()
            assert await client.status(client.ask(head=head)) == code
            assert not served.asked
            assert await client.status(client.ask()) == 200
            number = client.ask(head=head, body=b"")  # its body is not waited for
            assert await client.status(number) == code
            assert await client.status(client.ask()) == 200
        assert len(served.asked) == 2

    run(scenario)


@pytest.mark.parametrize("stream", [False, True])
def test_bodies_that_are_refused(stream: bool) -> None:
    """Too large, declared or as it comes; too slow; the client hears why."""

    async def scenario(served: Served) -> None:
        served.answer = echo
        async with connected(served) as client:
            assert await client.status(client.ask((b"content-length", b"1001"), head=POST, body=b"")) == 413
            assert not served.asked
            assert await client.status(client.ask(head=POST, body=b"a" * 1001)) == 413
            number = client.ask(head=POST, body=b"")
            client.h2.send_data(number, b"a" * 600)
            client.flush()
            assert await client.status(number) == 408
            assert await client.status(client.ask(head=POST, body=b"a" * 1000)) == 200

    run(scenario, bounds=Bounds(body=1000, stream=stream), patience=Patience(body=0.05))


def test_too_many_bodies_at_once() -> None:
    """The bodies of all streams are bounded together."""

    async def scenario(served: Served) -> None:
        async with connected(served) as client:
            waiting = (*POST[:3], (b":path", b"/wait"))
            first = client.ask(head=waiting, body=b"a" * 600)
            await served.waiting.wait()
            assert await client.status(client.ask(head=POST, body=b"a" * 600)) == 503
            served.go.set()
            assert await client.status(first) == 200
            assert await client.status(client.ask(head=POST, body=b"a" * 600)) == 200
        assert served.front._budget._left == 1000

    run(scenario, most_body_bytes=1000)


def test_concurrent_streams_are_bounded() -> None:
    """The bound is announced, and requests whose clients took them back count while their guests work."""

    async def scenario(served: Served) -> None:
        async with connected(served) as client:
            changed = await client.of(events.RemoteSettingsChanged)
            announced = changed.changed_settings[SettingCodes.MAX_CONCURRENT_STREAMS].new_value
            assert announced == MOST_STREAMS
            for _ in range(MOST_STREAMS - 1):
                client.h2.reset_stream(client.ask(head=(*HEAD[:3], (b":path", b"/wait"))), ErrorCodes.CANCEL)
            await until_asked(client, served, MOST_STREAMS - 1)
            last = client.ask(head=(*HEAD[:3], (b":path", b"/wait")))
            refused = client.ask()
            reset = await client.of(events.StreamReset, refused)
            assert reset.error_code == ErrorCodes.REFUSED_STREAM
            assert len(served.asked) == MOST_STREAMS
            served.go.set()
            assert await client.status(last) == 200
            assert await client.status(client.ask()) == 200

    run(scenario)


async def until_asked(client: Http2Client, served: Served, count: int) -> None:
    client.flush()
    await until(lambda: len(served.asked) >= count)


FLOODS = {
    "PING": lambda at: frame(6, 0, 0, bytes(8)),
    "SETTINGS": lambda at: frame(4, 0, 0, b"\x00\x04" + struct.pack(">I", 65_535 + at % 2)),
    "PRIORITY": lambda at: frame(2, 0, 1, struct.pack(">IB", 0, at % 256)),
    "unknown frames": lambda at: frame(99, 0, 0),
    "WINDOW_UPDATE": lambda at: frame(8, 0, 0, struct.pack(">I", 1)),
    "empty DATA": lambda at: frame(0, 0, 1),
}


@pytest.mark.parametrize("name", FLOODS)
def test_floods_are_bounded(name: str) -> None:
    """A client that makes idle work is sent away, and reads so."""

    async def scenario(served: Served) -> None:
        async with connected(served) as client:
            client.ask(head=POST, body=b"")
            with contextlib.suppress(ConnectionError):
                for at in range(20):
                    client.client.writer.write(b"".join(FLOODS[name](at) for at in range(500)))
                    await client.client.writer.drain()
            assert (await client.goaway())[1] == ErrorCodes.ENHANCE_YOUR_CALM
        assert statuses(await served.exchange(GET + b"Connection: close\r\n\r\n")) == [200]

    run(scenario, patience=Patience(linger=30))


def test_rapid_reset_is_bounded() -> None:
    """A client that takes back what it asks, over and over, is sent away."""

    async def scenario(served: Served) -> None:
        async with connected(served) as client:
            with contextlib.suppress(ConnectionError):
                for _ in range(2000):
                    client.take_back()
                client.flush()
                await client.client.writer.drain()
            assert (await client.goaway())[1] == ErrorCodes.ENHANCE_YOUR_CALM
        assert len(served.asked) < 1000

    run(scenario, patience=Patience(linger=30))


@pytest.mark.parametrize("how", ["refused", "asked to go on", "given more room"])
def test_a_request_that_is_taken_back_at_once(how: str) -> None:
    """What it would have been told is left out, and the requests beside it are answered."""

    async def scenario(served: Served) -> None:
        async with connected(served) as client:
            wait = (*HEAD[:3], (b":path", b"/wait"))
            if how == "refused":  # since guests work for as many
                for _ in range(MOST_STREAMS - 1):
                    client.h2.reset_stream(client.ask(head=wait), ErrorCodes.CANCEL)
            beside = client.ask(head=wait)
            await until_asked(client, served, MOST_STREAMS if how == "refused" else 1)
            if how == "given more room":
                number = client.ask(head=POST, body=b"")
                for size in (16_384, MOST_WAITING // 4 - 16_385):
                    client.h2.send_data(number, bytes(size))
                await client.settled()
                client.h2.send_data(number, b"a")  # now it would be told
                client.h2.reset_stream(number, ErrorCodes.CANCEL)
            extra = ((b"expect", b"100-continue"),) if how == "asked to go on" else ()
            client.take_back(*extra, head=POST if extra else HEAD)
            await client.settled()
            served.go.set()
            assert await client.status(beside) == 200

    run(scenario)


def test_a_client_that_does_not_read_its_pings() -> None:
    """It is not read either, so that answers to them do not pile up, and cut off after a while."""

    async def scenario(served: Served) -> None:
        async with connected(served) as client:
            served.answer = lambda _: Response(200, (), bytes(64 * MIB))
            client.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 2**31 - 1})
            client.h2.increment_flow_control_window(2**30)
            client.client.writer.transport.pause_reading()
            client.ask()
            await until(lambda: bool(served.asked))
            await until(lambda: not served.front._shared.connections)

    run(scenario, patience=Patience(idle=0.1))


@pytest.mark.parametrize(
    "sent",
    [
        GET + b"\r\n",
        frame(4, 0, 0) + frame(0, 0, 1, b"a"),
        frame(4, 0, 0) + frame(1, 4, 2, b"\x82"),
        frame(4, 0, 0) + frame(9, 4, 1, b"\x82"),
        frame(4, 0, 0) + frame(1, 4, 1, b"\xff\xff\xff\xff\xff\xff"),
        frame(4, 0, 0) + frame(0, 0, 1, bytes(20_000)),
        frame(4, 0, 0, b"a"),
        frame(4, 0, 0) + frame(1, 0, 1, b"\x82") + frame(9, 0, 1, b"\x82") * 100,
        frame(4, 0, 0) + frame(1, 0, 1, b"\x82") + frame(6, 0, 0, bytes(8)),
    ],
    ids=lambda sent: sent[:40].hex(),
)
def test_what_is_no_http_2(sent: bytes) -> None:
    """The client is told in a GOAWAY, and nothing reaches the application."""

    async def scenario(served: Served) -> None:
        answer = await served.exchange(PREFACE + sent)
        assert b"\x07\x00\x00\x00\x00\x00" in answer  # a GOAWAY of the whole connection
        assert not served.asked

    run(scenario, patience=Patience(linger=0.1))


def test_http_1_stays_http_1() -> None:
    """The preface is one only where a connection begins; an upgrade to h2c is ignored."""

    async def scenario(served: Served) -> None:
        assert statuses(await served.exchange(GET + b"\r\n" + PREFACE)) == [200, 505]
        upgrade = b"Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\n"
        settings = b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
        assert statuses(await served.exchange(GET + upgrade + settings)) == [200]

    run(scenario)


def test_a_slow_preface() -> None:
    """It is waited for like the head of a request."""

    async def scenario(served: Served) -> None:
        assert statuses(await served.exchange(PREFACE[:10])) == [408]

    run(scenario, patience=Patience(head=0.05))


def test_stop() -> None:
    """Streams under way are answered, those that cross the GOAWAY too, later ones are refused, then it ends."""

    async def scenario(served: Served) -> None:
        rest = Part(b"a")
        served.answer = lambda request: Response(200, (), b"", rest if request.target == b"/slow" else None)
        async with connected(served) as client, connected(served) as idle:
            await idle.of(events.RemoteSettingsChanged)
            slow = client.ask(head=(*HEAD[:3], (b":path", b"/slow")))
            await until_body(client, slow, b"a")
            served.front.stop()
            crossing = client.ask()  # sent before the GOAWAY is read
            assert await client.goaway(1) == (2**31 - 1, ErrorCodes.NO_ERROR)
            assert await client.goaway(2) == (crossing, ErrorCodes.NO_ERROR)
            assert await client.status(crossing) == 200
            late = client.ask()
            reset = await client.of(events.StreamReset, late)
            assert reset.error_code == ErrorCodes.REFUSED_STREAM
            rest.queue.put_nowait(b"b")
            rest.queue.put_nowait(None)
            assert (await client.answer(slow))[1] == b"ab"
            while await client.receive():
                pass
            while await idle.receive():
                pass
        await served.front.wait()
        assert len(served.asked) == 2

    run(scenario)


def test_a_client_that_says_goodbye_at_once() -> None:
    """What its connection begins with and the answer to its PING are not lost, though all came in one breath."""

    async def scenario(served: Served) -> None:
        peer = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        peer.initiate_connection()
        peer.send_headers(1, HEAD, end_stream=True)
        peer.ping(b"pingpong")
        answer = await served.exchange(peer.data_to_send() + frame(7, 0, 0, bytes(8)))
        kinds = []
        while answer:
            kinds.append(answer[3])
            answer = answer[9 + int.from_bytes(answer[:3]) :]
        assert kinds == [4, 8, 4, 6, 1, 0]  # SETTINGS first of all (RFC 9113, 3.4)

    run(scenario)


def test_a_client_that_says_goodbye() -> None:
    """It still gets the answers that it waits for, then the connection ends."""

    async def scenario(served: Served) -> None:
        async with connected(served) as client:
            number = client.ask(head=(*HEAD[:3], (b":path", b"/wait")))
            await served.waiting.wait()
            # What else it sends, with that or later, is still of its connection: a PING, room for answers.
            client.client.writer.write(frame(7, 0, 0, bytes(8)) + frame(6, 0, 0, b"pingpong"))
            client.client.writer.write(frame(8, 0, 0, (1).to_bytes(4)))
            served.go.set()
            assert (await client.answer(number))[1] == b"/wait"
            while await client.receive():
                pass

    run(scenario)


def test_an_idle_connection_is_closed() -> None:
    """With a GOAWAY, after its last stream."""

    async def scenario(served: Served) -> None:
        async with connected(served) as client:
            number = client.ask()
            assert await client.status(number) == 200
            assert await client.goaway() == (number, ErrorCodes.NO_ERROR)

    run(scenario, patience=Patience(idle=0.05))


def test_http_2_costs_nothing_before_it_is_spoken() -> None:
    """h2 is loaded with the first connection that needs it."""
    script = (
        "import sys, wasmdeploy_driver.http.front; "
        "sys.exit(bool({'h2', 'hpack', 'hyperframe'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
