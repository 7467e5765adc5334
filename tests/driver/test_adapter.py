"""The adapter: real guests answer requests over stdin and stdout, byte for byte."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import wasmtime  # its traps are what a host sees

from tests.driver.egress_loop import Running, running
from tests.driver.guests import Answer, Host, elsewhere, failure, head, response, rust_http

pytestmark = pytest.mark.guests


@pytest.fixture(scope="module")
def rust() -> Iterator[Host]:
    host = Host(rust_http())
    yield host
    host.close()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The authority of a server elsewhere."""
    with elsewhere() as authority:
        yield authority


@pytest.fixture(scope="module")
def connector() -> Iterator[Running]:
    """The host's egress connector."""
    with running() as started:
        yield started


def plain(body: bytes, status: int = 200) -> Answer:
    return Answer(True, response(status, [], body), b"")


NO_RESPONSE = failure(b"internal-error: guest set no response")


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


def test_a_request_may_come_in_pieces(rust: Host) -> None:
    """Head and body are read as they come through a pipe, a byte at a time."""
    reading, writing = os.pipe()

    def send() -> None:
        for byte in head("POST", b"/echo", [(b"a", b"b")]) + b"slow body":
            os.write(writing, bytes([byte]))
        os.close(writing)

    sender = threading.Thread(target=send)
    sender.start()
    assert rust.fresh(Path(f"/proc/self/fd/{reading}")) == plain(b"slow body")
    sender.join()
    os.close(reading)


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
    expected = Answer(True, response(200, [], b"before"), b"", [("x-sum", "\xff1")])
    assert rust.fresh(head("GET", b"/trailers")) == expected


@pytest.mark.parametrize("how", [b"", b"?unread"])
def test_the_requests_trailers_come_from_the_host(rust: Host, how: bytes) -> None:
    """A guest gets them once, bytes untouched and unchangeable, whether it read the body or not."""
    stdin = head("POST", b"/request-trailers" + how) + b"x" * 300_000
    assert rust.fresh(stdin) == plain(b"none")
    rust.request_trailers = [("x-sum", "\xff1"), ("x-sum", "")]
    try:
        expected = plain(b'[("x-sum", [255, 49]), ("x-sum", [])] true')
        assert rust.fresh(stdin) == expected
        with rust.reuse() as instance:
            assert [instance.run(stdin) for _ in range(3)] == [expected] * 3
    finally:
        rust.request_trailers = []


@pytest.mark.parametrize("how", [b"", b"?unread"])
def test_trailers_wait_for_the_end_of_the_body(rust: Host, how: bytes) -> None:
    """The host is not asked before stdin has ended, which a pipe does when its last writer closes it."""
    reading, writing = os.pipe()
    asked: list[bool] = []

    def send() -> None:
        os.write(writing, head("POST", b"/request-trailers" + how) + b"first")
        for _ in range(100):
            os.write(writing, b"x" * 10_000)
        asked.append(rust.asked)
        rust.request_trailers = [("x-sum", "1")]
        os.close(writing)

    sender = threading.Thread(target=send)
    rust.asked = False
    sender.start()
    try:
        answer = rust.fresh(Path(f"/proc/self/fd/{reading}"))
    finally:
        sender.join()
        os.close(reading)
        rust.request_trailers = []
    assert answer == plain(b'[("x-sum", [49])] true')
    assert asked == [False]


def test_without_a_grant_no_request_goes_out(rust: Host, server: str) -> None:
    """A denied request fails through the future, not from handle()."""
    answer = rust.fresh(head("GET", f"/fetch?http://{server}/x".encode()))
    assert answer == plain(b"future: ErrorCode::HttpRequestDenied", 502)


def test_without_a_rule_no_request_goes_out(rust: Host, server: str, connector: Running) -> None:
    """What the connector denies fails through the future too."""
    grant = connector.grant("http://127.0.0.1:1")
    answer = rust.fresh(head("GET", f"/fetch?http://{server}/x".encode(), grant=grant))
    assert answer == plain(b"future: ErrorCode::HttpRequestDenied", 502)


def test_an_allowed_request_goes_out(rust: Host, server: str, connector: Running) -> None:
    """Method, path, headers and body reach the server, its answer the guest."""
    grant = connector.grant(f"http://{server}")
    answer = rust.fresh(head("GET", f"/fetch?http://{server}/x?y".encode(), grant=grant))
    assert answer == plain(b"203 told POST /x?y guest from the guest")


def test_an_unreachable_server_is_an_error_of_the_future(rust: Host, connector: Running) -> None:
    """An allowed request that fails tells the guest why."""
    answer = rust.fresh(head("GET", b"/fetch?http://127.0.0.1:1/", grant=connector.grant("*://127.0.0.1:*")))
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
        (b"\x01\0\0\0\x01", b"the request head is malformed"),
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


def test_a_reused_instance_does_not_grow(rust: Host) -> None:
    """What a request allocates is given back: thousands leave room in the memory that the guest begins with."""
    headers = [(b"x-%d" % n, b"v" * 100) for n in range(20)]
    with rust.reuse(memory=17 << 16) as instance:
        for _ in range(5000):
            assert instance.run(head("POST", b"/echo", headers) + b"body" * 500).ok


def test_the_grant_is_that_of_the_request(rust: Host, server: str, connector: Running) -> None:
    """What one request was allowed is not allowed to the next."""
    with rust.reuse() as instance:
        path = f"/fetch?http://{server}/".encode()
        assert instance.run(head("GET", path, grant=connector.grant(f"*://{server}"))).stdout.endswith(
            b"from the guest"
        )
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
