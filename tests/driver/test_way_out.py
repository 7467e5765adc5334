"""What guests can reach, and what they are told: real guests behind the real front."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.driver.egress_loop import running
from tests.driver.executor_process import Executor, app
from tests.driver.guests import Host, head, rust_http
from tests.driver.rust_guests import rust_guest
from wasmdeploy_driver.errors import ConfigError
from wasmdeploy_driver.task import Component, Variable

pytestmark = pytest.mark.guests


class Upstream(BaseHTTPRequestHandler):
    """Says what it was asked, or waits in the middle of it."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        self.send_response(200)
        self.send_header("content-length", "4")
        self.end_headers()
        self.wfile.write(b"ha")
        self.wfile.flush()
        if self.path == "/half":
            self.rfile.read(1)  # until the client is gone
            return
        if self.path == "/slow":
            self.server.meet.wait()
        self.wfile.write(b"lf")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def upstream() -> Iterator[ThreadingHTTPServer]:
    """A server on loopback."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Upstream) as server:
        server.daemon_threads = True
        server.meet = threading.Barrier(20, timeout=30)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def guests(tmp_path_factory: pytest.TempPathFactory, upstream: ThreadingHTTPServer) -> Iterator[Executor]:
    """Two components: `web` may call the app, its sibling and the server; `api` nobody."""
    source = rust_guest("rust-http")
    port = upstream.server_port
    allowed = ("*://*:*", "http://self", "http://{{ sibling }}.spin.internal", f"http://127.0.0.1:{port}")
    task = app(source, allowed_outbound_hosts=allowed)
    api = Component("Api", source.name, route=("/api/...",), environment={"NAME": "api"})
    task = replace(task, component=(*task.component, api), variable=(Variable("sibling", "api"),))
    with Executor(tmp_path_factory.mktemp("out"), task, source) as executor:
        yield executor.start()


def fetch(guests: Executor, url: str) -> bytes:
    return guests.request(f"/fetch?{url}")[2]


def test_the_app_calls_itself(guests: Executor) -> None:
    """`self` goes through the app's routes, as a request of its own."""
    assert fetch(guests, "http://self/hello") == b"200  Hello from Rust\n"
    assert b"/echo" not in fetch(guests, "http://self/echo")


def test_a_component_calls_its_sibling(guests: Executor) -> None:
    """A sibling answers whatever its routes are; the path is its own."""
    assert fetch(guests, "http://api.spin.internal/env") == b"200  NAME=api\n"
    assert fetch(guests, "http://api.spin.internal/echo") == b"200  from the guest"


def test_who_may_call_nobody_calls_nobody(guests: Executor) -> None:
    """A component without rules is denied everything, the app itself included."""
    for url in ("http://self/hello", "http://api.spin.internal/env", "http://example.com/"):
        via = f"http://api.spin.internal/fetch?{url}"
        assert fetch(guests, via) == b"502  future: ErrorCode::HttpRequestDenied"


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://localhost:1/", b"DestinationIpProhibited"),
        ("http://127.0.0.2:{port}/", b"DestinationIpProhibited"),
        ("http://169.254.169.254/latest/meta-data/", b"DestinationIpProhibited"),
        ("http://[::1]:{port}/", b"DestinationIpProhibited"),
        ("http://[::ffff:127.0.0.2]:{port}/", b"DestinationIpProhibited"),
        ("http://2130706433:{port}/", b"HttpRequestUriInvalid"),
        ("http://user@127.0.0.1:{port}/", b"HttpRequestUriInvalid"),
        ("http://web.spin.internal/", b"HttpRequestDenied"),
    ],
)
def test_what_is_refused_is_an_error_of_the_future(
    guests: Executor, upstream: ThreadingHTTPServer, url: str, code: bytes
) -> None:
    """Private addresses behind any name, and authorities with two readings."""
    assert fetch(guests, url.format(port=upstream.server_port)) == b"future: ErrorCode::" + code


def test_a_server_that_stops_in_between_is_an_error_of_the_body(
    guests: Executor, upstream: ThreadingHTTPServer
) -> None:
    """The time between bytes is the guest's to set."""
    url = f"http://127.0.0.1:{upstream.server_port}/half"
    answer = guests.request(f"/fetch-within?200&{url}")
    assert answer[2].startswith(b"body: ")
    assert b"read timeout" in answer[2]


def test_a_server_that_says_nothing_is_an_error_of_the_future(guests: Executor) -> None:
    """So is the time to the first byte."""
    with running() as connector, socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        answer = Host(rust_http()).fresh(
            head("GET", f"/fetch-within?200&{url}".encode(), grant=connector.grant(url))
        )
    assert answer.stdout.endswith(b"future: ErrorCode::ConnectionReadTimeout")


def test_twenty_calls_at_once(guests: Executor, upstream: ThreadingHTTPServer) -> None:
    """They wait for each other at the server, and all are answered."""
    url = f"http://127.0.0.1:{upstream.server_port}/slow"
    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(lambda _: fetch(guests, url), range(20))) == {b"200  half"}


def test_sockets_are_denied(guests: Executor, upstream: ThreadingHTTPServer) -> None:
    """TCP and UDP to private addresses fail, whatever the rules for HTTP are; without rules look-ups do, too."""
    path = f"/sockets?127.0.0.1:{upstream.server_port}"
    assert guests.request(path)[2] == b"Err(PermissionDenied) Err(PermissionDenied) true"
    denied = b"200  Err(PermissionDenied) Err(PermissionDenied) false"
    assert fetch(guests, f"http://api.spin.internal{path}") == denied


@pytest.mark.parametrize(("scheme", "tcp"), [("", "Err(PermissionDenied)"), ("tcp", "Ok(())")])
def test_a_command_has_no_way_out_but_its_sockets(
    upstream: ThreadingHTTPServer, scheme: str, tcp: str
) -> None:
    """Neither HTTP nor sockets lead out of a component that runs as a command, but for what a rule names."""
    program = rust_guest("rust-caller")
    tool = Path(sys.executable).with_name("wasmdeploy")
    authority = f"127.0.0.1:{upstream.server_port}"
    allow = ["--allow", f"{scheme}://{authority}"] if scheme else []
    command = [tool, "run", *allow, program, authority]
    ran = subprocess.run(command, capture_output=True, check=True, text=True)
    assert ran.stdout.splitlines() == [
        "http handle: ErrorCode::HttpRequestDenied",
        f"tcp {tcp}",
        "udp Err(PermissionDenied)",
        "lookup false",
    ]


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("http://a/b", "component.web.allowed_outbound_hosts: 'http://a/b': 'a/b' is no network"),
        ("http://{{ secret }}", "'http://{{ secret }}' is no rule once its variables are filled in"),
        ("http://{{ other }}", "there is no variable 'other'"),
    ],
)
def test_a_malformed_rule_keeps_the_task_from_starting(tmp_path: Path, rule: str, words: str) -> None:
    """The error names the rule as it was written, and no value."""
    source = rust_guest("rust-http")
    task = replace(app(source, allowed_outbound_hosts=(rule,)), variable=(Variable("secret", "s3cr3t/x"),))
    with Executor(tmp_path, task, source) as executor, pytest.raises(ConfigError) as caught:
        executor.start()
    assert words in caught.value.message
    assert "s3cr3t" not in caught.value.message
