"""The adapter: real guests answer requests over stdin and stdout, byte for byte."""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import wasmtime  # noqa: TID251  # its traps are what a host sees
from tests.driver.guests import Answer, Host, componentize, head, rust_http

pytestmark = pytest.mark.guests

PYTHON_APP = """
import sys

from componentize_py_types import Err, Ok
from poll_loop import PollLoop, Sink, Stream, send
import asyncio
from wit_world import exports
from wit_world.imports import store
from wit_world.imports.types import (
    ErrorCode_InternalError, Fields, OutgoingRequest, OutgoingResponse, ResponseOutparam, Scheme_Http,
)

count = 0


class IncomingHandler(exports.IncomingHandler):
    def handle(self, request, response_out):
        loop = PollLoop()
        asyncio.set_event_loop(loop)
        loop.run_until_complete(answer(request, response_out))


async def answer(request, out):
    global count
    count += 1
    path, _, query = (request.path_with_query() or "").partition("?")
    if path == "/error":
        ResponseOutparam.set(out, Err(ErrorCode_InternalError(query)))
        return
    if path == "/raise":
        raise ValueError(query)
    body = b"Hello from Python\\n"
    if path == "/calls":
        print("call", count)
        body = b"%d" % count
    elif path == "/echo":
        stream, body = Stream(request.consume()), b""
        while (chunk := await stream.next()) is not None:
            body += chunk
    elif path == "/variables":
        body = repr([store.get("color"), store.get("shape"), store.get_all()]).encode()
    elif path == "/file":
        with open(query, "rb") as file:
            body = file.read()
    elif path == "/fetch":
        body = await fetch(query)
    response = OutgoingResponse(Fields.from_list([("content-type", b"text/plain")]))
    sink = Sink(response.body())
    ResponseOutparam.set(out, Ok(response))
    await sink.send(body)
    sink.close()


async def fetch(authority):
    request = OutgoingRequest(Fields())
    request.set_scheme(Scheme_Http())
    request.set_authority(authority)
    request.set_path_with_query("/from-python")
    try:
        response = await send(request)
    except Err as error:
        return type(error.value).__name__.encode()
    stream, body = Stream(response.consume()), b""
    while (chunk := await stream.next()) is not None:
        body += chunk
    return b"%d %s" % (response.status(), body)
"""


@pytest.fixture(scope="module")
def rust() -> Iterator[Host]:
    host = Host(rust_http())
    yield host
    host.close()


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    host = Host(componentize(PYTHON_APP, tmp_path_factory.mktemp("app")))
    yield host
    host.close()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A server elsewhere that answers a request with what it was sent; gives its authority."""

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            if self.headers.get("transfer-encoding") == "chunked":
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
            text = f"{self.command} {self.path} {self.headers.get('x-from')} {body.decode()}".encode()
            self.send_response(203)
            self.send_header("x-kind", "told")
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Elsewhere) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield f"127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


def response(status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> bytes:
    pairs = b"".join(struct.pack("<I", len(part)) + part for pair in headers for part in pair)
    text = struct.pack("<HI", status, len(headers)) + pairs
    return struct.pack("<I", len(text)) + text + body


def failure(text: bytes) -> bytes:
    return struct.pack("<IHI", len(text) + 6, 0, len(text)) + text


def plain(body: bytes, status: int = 200) -> Answer:
    return Answer(True, response(status, [], body), b"")


NO_RESPONSE = failure(b"internal-error: guest set no response")
PYTHON_HEADERS = [(b"content-type", b"text/plain")]


def test_a_response_is_its_head_and_its_body(rust: Host) -> None:
    """The head carries status and headers as the guest set them, the body follows to the end."""
    expected = response(200, [(b"content-type", b"text/plain")], b"Hello from Rust\n")
    assert rust.fresh(head("GET", b"/hello")) == Answer(True, expected, b"")


def test_the_request_line_reaches_the_guest(rust: Host) -> None:
    """Method, scheme, authority and path arrive as sent, other methods by their name."""
    answer = rust.fresh(head("BREW", b"/request?a=%20b", scheme="https", authority="tea.test:8443"))
    assert answer == plain(
        b'Method::Other("BREW") Some(Scheme::Https) Some("tea.test:8443") Some("/request?a=%20b")'
    )


def test_what_a_request_lacks_is_none(rust: Host) -> None:
    """An empty scheme and an empty authority are none to the guest."""
    answer = rust.fresh(head("HEAD", b"/request", scheme="", authority=""))
    assert answer == plain(b'Method::Head None None Some("/request")')


def test_a_path_of_other_bytes_is_percent_encoded(rust: Host) -> None:
    """Bytes of the path that are no UTF-8 reach the guest percent-encoded, UTF-8 as it is."""
    assert rust.fresh(head("GET", b"/request?\xc3\xa9\xff")).stdout.endswith('Some("/request?é%FF")'.encode())


def test_request_headers_keep_order_case_and_bytes(rust: Host) -> None:
    """Headers arrive in order, repeated names and bytes that are no UTF-8 included."""
    headers = [(b"B", b"2"), (b"a", b"\xff\xfe"), (b"B", b""), (b"host", b"app.test")]
    assert rust.fresh(head("GET", b"/headers", headers)) == plain(b"B=2\na=\xff\xfe\nB=\nhost=app.test\n")


def test_forbidden_headers_do_not_slip_through_a_copy(rust: Host) -> None:
    """A response made from the request's headers carries none that belong to the connection."""
    headers = [(b"Connection", b"close"), (b"x-a", b"\xff"), (b"host", b"app.test"), (b"Upgrade", b"x")]
    expected = response(200, [(b"x-a", b"\xff")], b"")
    assert rust.fresh(head("GET", b"/copy-headers", headers)) == Answer(True, expected, b"")


def test_fields_are_checked(rust: Host) -> None:
    """Syntax, forbidden names and immutability of fields are enforced as WASI says."""
    assert rust.fresh(head("GET", b"/fields", [(b"a", b"b")])) == plain(b"all as it should be")


@pytest.mark.parametrize("size", [0, 1, 4096, 4097, 300_000])
def test_a_body_is_echoed(rust: Host, size: int) -> None:
    """The request body is the rest of stdin, whatever its size."""
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    assert rust.fresh(head("POST", b"/echo") + body) == plain(body)


def test_a_long_head_is_read_whole(rust: Host) -> None:
    """Heads longer than one read and one write pass in both directions."""
    headers = [(b"x-%d" % n, b"v" * 1000) for n in range(200)]
    answer = rust.fresh(head("POST", b"/copy-headers", headers) + b"body")
    assert answer == Answer(True, response(200, headers, b""), b"")


def test_a_large_response_is_whole(rust: Host) -> None:
    """Three megabytes come out as they went in."""
    assert rust.fresh(head("GET", b"/large?3000000")) == plain(b"x" * 3_000_000)


@pytest.mark.parametrize("status", [100, 204, 404, 999])
def test_the_status_is_the_guests(rust: Host, status: int) -> None:
    """Any status that HTTP can carry goes out as set."""
    assert rust.fresh(head("GET", b"/status?%d" % status)) == plain(b"", status)


def test_a_status_out_of_range_is_refused(rust: Host) -> None:
    """set-status-code fails for what is no status."""
    assert rust.fresh(head("GET", b"/status?1000")) == plain(b"no such status", 500)


def test_the_environment_is_the_apps_own(rust: Host) -> None:
    """Nothing of the request gets into the guest's environment."""
    answer = rust.fresh(head("GET", b"/env", [(b"proxy", b"evil")]), [("COLOR", "green")])
    assert answer == plain(b"COLOR=green\n")


def test_prints_go_to_stderr(rust: Host) -> None:
    """What the guest prints cannot corrupt its response."""
    expected = Answer(True, plain(b"nothing of it here").stdout, b"printed 1\ncomplained 1\n")
    assert rust.fresh(head("GET", b"/print")) == expected


def test_a_guest_that_sets_no_response_fails(rust: Host) -> None:
    """The host gets a head of status 0 that says so."""
    assert rust.fresh(head("GET", b"/no-response")).stdout == NO_RESPONSE


def test_an_error_code_is_named(rust: Host) -> None:
    """An error set in a response's place comes out by its name and detail."""
    assert rust.fresh(head("GET", b"/error?no tea")).stdout == failure(b"internal-error: no tea")
    assert rust.fresh(head("GET", b"/refused")).stdout == failure(b"connection-refused")


def test_a_body_may_be_written_before_the_response_is_set(rust: Host) -> None:
    """The first write sends the head as it is then; setting the response adds nothing."""
    expected = response(201, [(b"x-a", b"1")], b"early")
    assert rust.fresh(head("GET", b"/write-before-set")) == Answer(True, expected, b"")


@pytest.mark.parametrize(
    ("path", "body"),
    [(b"/write-then-error", b"too late"), (b"/two-responses", b"first"), (b"/unfinished", b"half")],
)
def test_a_response_that_is_not_whole_is_told(rust: Host, path: bytes, body: bytes) -> None:
    """One head goes out and no second; `run` answers an error, so that the host takes it for broken."""
    assert rust.fresh(head("GET", path)) == Answer(False, response(200, [], body), b"")


def test_trailers_go_to_the_host(rust: Host) -> None:
    """Trailers, which have no place on stdout, are given to the host's function, bytes untouched."""
    expected = Answer(True, response(200, [], b"before"), b"", [("x-sum", b"\xff1")])
    assert rust.fresh(head("GET", b"/trailers")) == expected


def test_without_a_rule_no_request_goes_out(rust: Host, server: str) -> None:
    """A denied request fails through the future, not from handle()."""
    answer = rust.fresh(head("GET", f"/fetch?http://{server}/x".encode(), rules=["http://127.0.0.1:1"]))
    assert answer == plain(b"future: ErrorCode::HttpRequestDenied", 502)


def test_an_allowed_request_goes_out(rust: Host, server: str) -> None:
    """Method, path, headers and body reach the server, its answer the guest."""
    answer = rust.fresh(head("GET", f"/fetch?http://{server}/x?y".encode(), rules=[f"http://{server}"]))
    assert answer == plain(b"203 told POST /x?y guest from the guest")


def test_an_unreachable_server_is_an_error_of_the_future(rust: Host) -> None:
    """An allowed request that fails tells the guest why."""
    answer = rust.fresh(head("GET", b"/fetch?http://127.0.0.1:1/", rules=["*://*:*"]))
    assert answer == plain(b"future: ErrorCode::ConnectionRefused", 502)


def test_a_trap_ends_the_run(rust: Host) -> None:
    """A guest that aborts raises in the host, and leaves no response."""
    with pytest.raises(wasmtime.WasmtimeError, match="unreachable"):
        rust.fresh(head("GET", b"/trap"))
    assert rust.answer(False).stdout == b""


def test_an_exit_ends_the_run(rust: Host) -> None:
    """A guest that exits raises ExitTrap in the host."""
    with pytest.raises(wasmtime.ExitTrap):
        rust.fresh(head("GET", b"/exit"))


def test_a_loop_is_interrupted_by_the_epoch(rust: Host) -> None:
    """A guest that never ends is stopped by the host's clock."""
    timer = threading.Timer(0.05, rust.engine.increment_epoch)
    timer.start()
    with pytest.raises(wasmtime.WasmtimeError, match="interrupt"):
        rust.fresh(head("GET", b"/loop"))
    timer.join()


@pytest.mark.parametrize(
    ("stdin", "reason"),
    [
        (b"", b"stdin ended within the request head"),
        (b"\x05\0\0\0ab", b"stdin ended within the request head"),
        (b"\x01\0\0\0\x02", b"the request head is malformed"),
        (b"\xff\xff\xff\xff", b"the request head is too long"),
    ],
)
def test_a_broken_head_traps(rust: Host, stdin: bytes, reason: bytes) -> None:
    """A host that breaks the frame gets a trap, and the reason on stderr."""
    with pytest.raises(wasmtime.WasmtimeError, match="unreachable"):
        rust.fresh(stdin)
    assert rust.answer(False).stderr == b"wasmdeploy adapter: " + reason + b"\n"


def test_one_instance_answers_many_requests(rust: Host) -> None:
    """Each run takes its own stdin and stdout, while the guest's own state stays."""
    with rust.reuse() as instance:
        assert instance.run(head("POST", b"/echo") + b"one") == plain(b"one")
        assert instance.run(head("GET", b"/headers", [(b"a", b"1")])) == plain(b"a=1\n")
        assert instance.run(head("GET", b"/no-response")).stdout == NO_RESPONSE
        assert instance.run(head("GET", b"/unfinished")).ok is False
        assert instance.run(head("POST", b"/echo") + b"two") == plain(b"two")
        assert instance.run(head("GET", b"/calls")) == plain(b"6")


def test_the_rules_are_those_of_the_request(rust: Host, server: str) -> None:
    """What one request was allowed is not allowed to the next."""
    with rust.reuse() as instance:
        path = f"/fetch?http://{server}/".encode()
        assert instance.run(head("GET", path, rules=["*://*:*"])).stdout.endswith(b"from the guest")
        assert instance.run(head("GET", path)) == plain(b"future: ErrorCode::HttpRequestDenied", 502)


def test_prints_of_a_reused_instance_go_to_stderr(rust: Host) -> None:
    """The streams that a guest's libc keeps from the first request serve the later ones."""
    with rust.reuse() as instance:
        for number in (1, 3, 5):
            answer = instance.run(head("GET", b"/print"))
            assert answer.stdout == plain(b"nothing of it here").stdout
            assert answer.stderr == b"printed %d\ncomplained %d\n" % (number, number)
            assert instance.run(head("POST", b"/echo") + b"body") == plain(b"body")


def test_streams_taken_before_the_first_request_serve_all(rust: Host) -> None:
    """A guest that prints while it is instantiated can print in every request."""
    with rust.reuse() as instance:
        answer = instance.run(head("GET", b"/print"), [("EARLY", "1")])
        assert answer.stderr == b"early\nearly\nprinted 1\ncomplained 1\n"
        for number in (2, 3):
            answer = instance.run(head("GET", b"/print"))
            assert answer == Answer(
                True, plain(b"nothing of it here").stdout, b"printed %d\ncomplained %d\n" % (number, number)
            )


def test_files_of_a_reused_instance_can_be_opened(rust: Host, tmp_path: Path) -> None:
    """The directories that a guest's libc keeps from the first request serve the later ones."""
    (tmp_path / "a.txt").write_text("in a file")
    with rust.reuse() as instance:
        for _ in range(3):
            assert instance.run(head("GET", b"/file?/files/a.txt"), files=tmp_path) == plain(b"in a file")


def test_what_a_guest_keeps_of_a_request_is_stale_in_the_next(rust: Host) -> None:
    """An old body cannot be read, and dropping it harms nothing."""
    with rust.reuse() as instance:
        instance.run(head("POST", b"/keep") + b"old")
        assert instance.run(head("POST", b"/drop-kept") + b"new") == plain(b"stale")
        assert instance.run(head("POST", b"/echo") + b"newer") == plain(b"newer")


def test_a_python_guest_answers(python: Host) -> None:
    """A componentize-py guest in the shipped world answers, fresh and again."""
    expected = Answer(True, response(200, PYTHON_HEADERS, b"Hello from Python\n"), b"")
    assert python.fresh(head("GET", b"/")) == expected
    with python.reuse() as instance:
        for number in range(1, 5):
            answer = instance.run(head("GET", b"/calls"))
            assert answer.stdout == response(200, PYTHON_HEADERS, b"%d" % number)
            assert answer.stderr == b"call %d\n" % number


def test_a_python_guest_reads_and_writes_bodies(python: Host) -> None:
    """Its poll loop runs on the native streams, below and above the size of one read."""
    with python.reuse() as instance:
        for size in (0, 10, 200_000):
            answer = instance.run(head("POST", b"/echo") + b"x" * size)
            assert answer == Answer(True, response(200, PYTHON_HEADERS, b"x" * size), b"")


def test_a_python_guest_reads_variables_and_files(python: Host, tmp_path: Path) -> None:
    """Other imports of the world stay the host's."""
    (tmp_path / "a.txt").write_text("in a file")
    answer = python.fresh(head("GET", b"/variables"))
    assert answer.stdout == response(200, PYTHON_HEADERS, b"['green', None, [('color', 'green')]]")
    with python.reuse() as instance:
        for _ in range(2):
            answer = instance.run(head("GET", b"/file?/files/a.txt"), files=tmp_path)
            assert answer.stdout == response(200, PYTHON_HEADERS, b"in a file")


def test_a_python_guest_sets_an_error(python: Host) -> None:
    """An error code comes out as its name."""
    assert python.fresh(head("GET", b"/error?no tea")).stdout == failure(b"internal-error: no tea")


def test_a_python_exception_ends_the_run(python: Host) -> None:
    """An exception traps, its traceback goes to stderr."""
    with pytest.raises(wasmtime.WasmtimeError, match="unreachable"):
        python.fresh(head("GET", b"/raise?on purpose"))
    assert b"ValueError: on purpose" in python.answer(False).stderr


def test_a_python_guest_calls_out(python: Host, server: str) -> None:
    """Outgoing requests work with its poll loop, allowed and denied."""
    path = f"/fetch?{server}".encode()
    with python.reuse() as instance:
        for _ in range(2):
            answer = instance.run(head("GET", path, rules=[f"http://{server}"]))
            assert answer.stdout == response(200, PYTHON_HEADERS, b"203 GET /from-python None ")
            answer = instance.run(head("GET", path))
            assert answer.stdout == response(200, PYTHON_HEADERS, b"ErrorCode_HttpRequestDenied")
