"""wasi:http guests behind the real front, each case over a socket."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.driver.executor_process import PATIENCE, Executor, app, until
from tests.driver.rust_guests import rust_guest
from wasmdeploy_driver.errors import ConfigError
from wasmdeploy_driver.task import Limits

pytestmark = pytest.mark.guests


class Upstream(BaseHTTPRequestHandler):
    """Answers a POST with what it was sent."""

    def do_POST(self) -> None:
        self.send_response(201)
        self.send_header("x-kind", "upstream")
        self.send_header("content-length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def upstream() -> Iterator[int]:
    """The port of a server that the guest may call."""
    with HTTPServer(("127.0.0.1", 0), Upstream) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module", params=["request", "instance"])
def guest(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, upstream: int
) -> Iterator[Executor]:
    """The Rust guest, served in each isolation mode."""
    source = rust_guest("rust-http")
    task = app(
        source,
        timeout="1s",
        environment={"WORD": "given"},
        isolation=request.param,
        allowed_outbound_hosts=(f"http://127.0.0.1:{upstream}",),
    )
    with Executor(tmp_path_factory.mktemp("http"), task, source) as executor:
        yield executor.start()


def test_a_component_answers(guest: Executor) -> None:
    """Status, header and body are the guest's."""
    status, headers, body = guest.request("/hello")
    assert (status, headers["content-type"], body) == (200, "text/plain", b"Hello from Rust\n")


def serve(directory: Path, **parts: object) -> Executor:
    """The Rust guest with other settings."""
    source = rust_guest("rust-http")
    return Executor(directory, app(source, timeout="1s", **parts), source)


def test_every_request_gets_a_fresh_instance(tmp_path: Path) -> None:
    """State of one request is not there in the next."""
    with serve(tmp_path) as executor:
        executor.start()
        assert {executor.request("/calls")[2] for _ in range(4)} == {b"1"}


def test_an_instance_answers_many_requests(tmp_path: Path) -> None:
    """With `isolation = "instance"` state stays, until the instance has answered its number of requests."""
    with serve(tmp_path, isolation="instance", max_requests=3) as executor:
        executor.start()
        assert [executor.request("/calls")[2] for _ in range(7)] == [b"1", b"2", b"3", b"1", b"2", b"3", b"1"]


@pytest.mark.parametrize(
    ("path", "status"), [("/trap", 500), ("/loop", 504), ("/unfinished", 500), ("/exit", 500)]
)
def test_an_instance_that_failed_is_thrown_away(tmp_path: Path, path: str, status: int) -> None:
    """After a failure the next request gets a fresh instance, however many the old one had left."""
    with serve(tmp_path, isolation="instance") as executor:
        executor.start()
        assert [executor.request("/calls")[2] for _ in range(2)] == [b"1", b"2"]
        assert executor.failure(path) == status
        assert [executor.request("/calls")[2] for _ in range(2)] == [b"1", b"2"]


def test_an_idle_instance_goes(tmp_path: Path) -> None:
    """An instance that was idle for `max_idle` is closed."""
    with serve(tmp_path, isolation="instance", max_idle="50ms") as executor:
        executor.start()
        executor.request("/calls")
        until(lambda: executor.request("/calls")[2] == b"1")


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"isolation": "process"}, "isolation"),
        ({"isolation": "instance", "max_requests": -1}, "max_requests"),
        ({"isolation": "instance", "max_idle": "soon"}, "max_idle"),
    ],
)
def test_a_wrong_mode_is_refused(tmp_path: Path, parts: dict[str, object], words: str) -> None:
    """What cannot be meant is an error that names the key."""
    with serve(tmp_path, **parts) as executor, pytest.raises(ConfigError, match=words):
        executor.start()


@pytest.mark.parametrize("size", [0, 1, 4096, 65537, 3_000_000])
def test_a_body_comes_back_as_it_went(guest: Executor, size: int) -> None:
    """Bodies of any size pass byte for byte."""
    body = bytes(range(256)) * (size // 256 + 1)
    status, _, echoed = guest.request("/echo", "POST", body[:size])
    assert (status, echoed) == (200, body[:size])


def test_a_body_has_nothing_of_the_one_before(tmp_path: Path) -> None:
    """In one process that answers them all: larger ones come by way of a pipe, large ones in a file that it keeps."""
    source = rust_guest("rust-http")
    with Executor(tmp_path, app(source), source) as executor:
        executor.start()
        for size in (2_000_000, 900_000, 300_000, 10, 300_001, 899_999):
            body = b"%d." % size * (size // 3)
            assert executor.request("/echo", "POST", body[:size])[2] == body[:size]
        assert len(executor.engines()) == 1


def test_headers_and_target_arrive_raw(guest: Executor) -> None:
    """Repeated headers, bytes that are no UTF-8 and an encoded path reach the guest as they were sent."""
    with socket.create_connection(guest.address) as connection:
        connection.sendall(
            b"GET /headers HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nX-A: 2\r\nX-B: \xff\xfe\r\nConnection: close\r\n\r\n"
        )
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert b"x-a=1\nx-a=2\nx-b=\xff\xfe\n" in answer
    assert b"/request?q=%2F&r=a+b%20" in guest.request("/request?q=%2F&r=a+b%20")[2]


@pytest.mark.parametrize("code", [200, 204, 304, 404, 503])
def test_a_status_is_the_guests_own(guest: Executor, code: int) -> None:
    """The status code passes."""
    assert guest.request(f"/status?{code}")[0] == code


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/trap", 500),
        ("/exit", 500),
        ("/no-response", 500),
        ("/error?x", 500),
        ("/refused", 500),
        ("/loop", 504),
    ],
)
def test_a_failure_costs_one_request(guest: Executor, path: str, status: int) -> None:
    """A guest that fails in any way is answered for, tells the client nothing, and the next request works."""
    failed = guest.request(path)
    assert failed[0] == status
    assert failed[2] in (b"the app failed\n", b"the app took too long\n")
    assert guest.request("/hello")[0] == 200


@pytest.mark.parametrize("path", ["/unfinished", "/two-responses", "/write-then-error"])
def test_a_failure_behind_the_head_costs_one_request(guest: Executor, path: str) -> None:
    """A guest that fails when its head may be out is a failure for the client: a status, or a broken response."""
    assert guest.failure(path) == 500
    assert guest.request("/hello")[0] == 200


def test_what_a_guest_prints_is_no_part_of_its_response(guest: Executor) -> None:
    """Prints go to the task's log."""
    assert guest.request("/print")[2] == b"nothing of it here"
    assert "printed" in guest.stderr.read_text()
    assert "complained" in guest.stderr.read_text()


def test_the_environment_is_the_manifests_own(guest: Executor) -> None:
    """Neither the host's environment nor the request's headers get in."""
    assert guest.request("/env")[2] == b"WORD=given\n"


def test_a_listed_host_can_be_called(guest: Executor, upstream: int) -> None:
    """An outgoing call to an allowed host comes back with status, header and body."""
    assert guest.request(f"/fetch?http://127.0.0.1:{upstream}/x")[2] == b"201 upstream hello"


def test_any_other_host_is_refused(guest: Executor, upstream: int) -> None:
    """A call to another host, port or scheme fails with the error code that the standard has for it."""
    for url in (f"http://localhost:{upstream}/", "http://127.0.0.1:1/", f"https://127.0.0.1:{upstream}/"):
        assert guest.request(f"/fetch?{url}")[2] == b"future: ErrorCode::HttpRequestDenied"


def test_slow_guests_do_not_hold_up_others(guest: Executor) -> None:
    """While guests loop until their time limit, another request is answered before they are."""
    with ThreadPoolExecutor(3) as pool:
        loops = [pool.submit(guest.request, "/loop") for _ in range(3)]
        assert guest.request("/hello")[0] == 200
        assert not all(each.done() for each in loops)
        assert [each.result()[0] for each in loops] == [504] * 3


def test_a_head_request_has_no_body(guest: Executor) -> None:
    """HEAD gives the head that GET would."""
    status, headers, body = guest.request("/hello", "HEAD")
    assert (status, headers["content-type"], body) == (200, "text/plain", b"")


def test_a_limit_on_memory_is_kept(tmp_path: Path) -> None:
    """A guest that wants more memory than its limit fails alone."""
    source = rust_guest("rust-http")
    task = replace(app(source), limits=Limits(memory_mb=4))
    with Executor(tmp_path, task, source) as executor:
        executor.start()
        assert executor.request("/echo", "POST", bytes(1000))[0] == 200
        assert executor.request("/large?100000000")[0] == 500
        assert executor.request("/hello")[0] == 200


@pytest.mark.parametrize(
    ("limits", "request_", "status", "words"),
    [
        (Limits(cpu_time="100ms"), ("/loop",), 504, "computed for more than 0.1 s"),
        (Limits(fuel=200_000), ("/loop",), 504, "used more than 200000 fuel"),
        (Limits(timeout="200ms"), ("/loop",), 504, "ran longer than 0.2 s"),
        (Limits(instances=1), ("/hello",), 500, "instance"),
        (Limits(table_entries=1), ("/hello",), 500, "table"),
        (Limits(response_bytes=100), ("/large?101",), 500, "more than 100 bytes"),
        (Limits(request_bytes=100), ("/echo", "POST", bytes(101)), 413, ""),
    ],
)
@pytest.mark.parametrize("place", ["task", "component"])
def test_limits(
    tmp_path: Path,
    place: str,
    limits: Limits,
    request_: tuple[Any, ...],
    status: int,
    words: str,
) -> None:
    """Whatever a guest has too much of, its request fails alone, and why is told."""
    source = rust_guest("rust-http")
    task = app(source)
    if place == "task":
        task = replace(task, limits=limits)
    else:
        task = replace(task, component=(replace(task.component[0], limits=limits),))
    with Executor(tmp_path, task, source) as executor:
        executor.start()
        try:
            found = executor.request(*request_)[0]
        except http.client.IncompleteRead:
            assert limits.response_bytes  # on a slow machine its head was out before it was too large
            found = status
        assert found == status
        assert words in executor.log()
        if limits.instances == 0 and limits.table_entries > 1:
            assert executor.request("/hello")[2] == b"Hello from Rust\n"


def test_a_body_that_turns_out_too_large(tmp_path: Path) -> None:
    """A body of unknown length is refused as soon as it is beyond the limit."""
    source = rust_guest("rust-http")
    with Executor(tmp_path, replace(app(source), limits=Limits(request_bytes=2 << 20)), source) as executor:
        executor.start()
        connection = http.client.HTTPConnection(*executor.address, timeout=PATIENCE)
        parts = (bytes(65_536) for _ in range(100))
        with contextlib.suppress(ConnectionError):  # it may be refused while we still send
            connection.request(
                "POST", "/echo", parts, encode_chunked=True, headers={"transfer-encoding": "chunked"}
            )
        with contextlib.suppress(ConnectionError, http.client.HTTPException):
            answer = connection.getresponse()
            assert answer.status == 413 or len(answer.read()) < 100 * 65_536
        connection.close()
        assert executor.request("/hello")[0] == 200


def test_requests_at_once_are_bounded(tmp_path: Path) -> None:
    """With as many requests under way and waiting as there may be, the next is told to come back."""
    source = rust_guest("rust-http")
    limits = Limits(concurrency=1, queue=1, timeout="2s")
    with Executor(tmp_path, replace(app(source), limits=limits), source) as executor:
        executor.start()
        with ThreadPoolExecutor(3) as clients:
            sent = [clients.submit(executor.request, "/loop")]
            until(lambda: executor.call("inspect")["in_flight"] == 1)
            sent.append(clients.submit(executor.request, "/loop"))
            until(lambda: executor.call("inspect")["in_flight"] == 2)
            status, headers, _ = executor.request("/hello")
            assert (status, headers["retry-after"]) == (503, "1")
            assert [each.result()[0] for each in sent] == [504, 504]


def test_an_instance_that_was_made_ahead_is_as_any(tmp_path: Path) -> None:
    """A process makes its next instance while it idles: it is fresh, has its environment and files, and can fail."""
    with serve(tmp_path, environment={"A": "b"}) as executor:
        executor.start()
        (executor.task_dir / "data" / "note").write_text("read me")
        with ThreadPoolExecutor(1) as pool:
            busy = pool.submit(executor.request, "/loop")  # keeps the first process's thread
            until(lambda: executor.call("inspect")["in_flight"] == 1)
            for _ in range(3):
                assert [executor.request("/calls")[2] for _ in range(3)] == [b"1"] * 3
                assert executor.request("/env")[2] == b"A=b\n"
                assert executor.request("/file?/data/note")[2] == b"read me"
                assert executor.failure("/trap") == 500
            assert not busy.done()
            executor.terminate()
