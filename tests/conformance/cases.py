"""The cases: what a client does, and what must come of it with every guest, in every isolation mode.

A case's `act` gives an outcome, which has to be `expected`. Where `wasmtime serve` gives another one, `peer` says
which and why; a difference that nobody explained fails, and so does one that is no longer there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.conformance import bodies, failures, h2, heads
from tests.conformance.servers import Server

Outcome = Any


@dataclass(frozen=True, slots=True)
class Difference:
    """What the reference gives instead, and why that is so."""

    outcome: Outcome
    reason: str


@dataclass(frozen=True, slots=True)
class NotAsked:
    """Why the reference is not asked."""

    reason: str


@dataclass(frozen=True, slots=True)
class Case:
    """One case; `coming` says what it still waits for here."""

    name: str
    act: Callable[[Server], Outcome]
    expected: Outcome
    peer: Difference | NotAsked | None = None
    coming: str = ""

    def wanted(self, kind: str) -> Outcome:
        """The outcome that this kind of server has to give."""
        if isinstance(self.expected, ByKind):
            return self.expected.outcomes[kind]
        return self.expected


@dataclass(frozen=True, slots=True)
class ByKind:
    """An expectation that depends on the isolation mode (the reference makes a fresh instance for each request)."""

    outcomes: Mapping[str, Outcome]


AFTER = ("/trap", "/trap-after", "/unfinished", "/exit")
NO_LIMIT = NotAsked("wasmtime serve has no time limit for a guest")
ORDER = "its header map groups a name's values, so the order between names is lost"
TRAPPED = "it ends the body as if it were whole, where a guest traps after its head"

CASES = (
    # The request's head
    Case("methods", heads.methods, "GET POST PUT DELETE OPTIONS TRACE PATCH"),
    Case("another-method", heads.another_method, "QUERY"),
    Case(
        "an-unknown-method",
        heads.unknown_method,
        501,
        Difference(200, "its parser takes any token as a method; ours knows the registered ones"),
    ),
    Case("target", heads.target, "/a%2Fb/../c;d?x=%20&y=+&z"),
    Case("absolute-target", heads.absolute, ["GET", "http", "other.test:81", "/describe?q"]),
    Case("asterisk-target", heads.asterisk, ["OPTIONS", "http", "app.test", "*"]),
    Case(
        "connect", heads.connect, "refused", Difference("200", "it asks the guest, as for any other method")
    ),
    Case("http-1.0", heads.http_1_0, (200, "app.test", "closed")),
    Case(
        "repeated-headers",
        heads.repeated,
        "x-a=1\nx-b=\xff\nx-a=2\nx-c=\n",
        Difference("x-c=\nx-a=1\nx-a=2\nx-b=\xff\n", ORDER),
    ),
    Case("a-large-head", heads.large, 40_000),
    Case("a-head-without-end", heads.endless, 431),
    Case("expect-continue", heads.expect, ("100", 200, b"body")),
    # The response's head
    Case(
        "headers-of-the-response",
        heads.copied,
        [("x-b", "1"), ("x-a", "2"), ("x-b", "\xe9")],
        Difference([("x-a", "2"), ("x-b", "1"), ("x-b", "\xe9")], ORDER),
    ),
    Case("no-header-too-many", heads.no_more, {"content-type"}),
    Case("fields", heads.fields, "all as it should be"),
    Case("status", heads.status, [200, 201, 299, 404, 418, 599]),
    Case("no-status", heads.no_status, "no such status"),
    Case("no-content", heads.no_content, [(204, b""), (304, b"")]),
    Case("informational", heads.informational, "failed"),
    Case("head", heads.head, (200, "text/plain", b"")),
    Case("head-with-a-length", heads.head_with_length, (200, "5")),
    # Connections
    Case("keep-alive", heads.keep_alive, [200, 200, 200]),
    Case("pipelining", heads.pipelined, [b"1", b"2", b"3"]),
    Case("connection-close", heads.close, (200, b"")),
    Case(
        "http-2-cleartext",
        h2.prior_knowledge,
        (200, b"hello\n"),
        Difference((0, b""), "it speaks HTTP/1 only"),
    ),
    # Bodies
    Case("echo", bodies.echo, [0, 1, 4096, 65_537, 1_000_000]),
    Case("echo-of-chunks", bodies.echo_chunks, b"a" * 10 + b"b" * 70_000 + b"c"),
    Case("lengths-and-chunks-by-turns", bodies.mixed, [b"one", b"two", b"three"]),
    Case("a-large-response", bodies.large, 3_000_000),
    Case("a-body-beyond-memory", bodies.beyond, b"%d" % bodies.BEYOND),
    Case(
        "first-bytes-at-once",
        bodies.first_at_once,
        [b"first\n", b"203 told POST /gate from the guest"],
    ),
    Case("both-ways-at-once", bodies.both_ways, [b"one", b"two"]),
    Case("trailers-of-the-request", bodies.trailers_in, "x-t=1\nx-u=2\n"),
    Case("trailers-behind-a-streamed-body", bodies.trailers_streamed, ["2097152", "x-t=2\nx-u=3\n", "none"]),
    Case("no-trailers-of-the-request", bodies.no_trailers, "none"),
    Case(
        "trailers-of-the-response",
        bodies.trailers_out,
        (b"body", (("x-sum", "1"), ("x-sum", "2"))),
        Difference((b"body", (("x-sum", "2"),)), "of a trailer that comes twice it sends one"),
    ),
    Case("write-before-set", bodies.write_first, (201, "1", b"early")),
    Case("the-length-declared", bodies.length, (200, "5", b"xxxxx")),
    Case("less-than-declared", bodies.less, "failed"),
    Case(
        "more-than-declared",
        bodies.more,
        "failed",
        Difference("200 b'xxx'", "it cuts the body off at the declared length"),
    ),
    Case("the-client-goes-in-its-body", bodies.gone, 200),
    Case("the-client-goes-in-the-answer", bodies.deaf, 200),
    Case("prints", bodies.prints, (b"not printed", True, True)),
    # Guests that fail
    Case("no-response", failures.silent, "failed"),
    Case("a-trap-before-the-head", failures.trap, "failed"),
    Case("a-trap-after-the-head", failures.trap_after, "failed", Difference("200 b'part'", TRAPPED)),
    Case("an-unfinished-body", failures.unfinished, "failed"),
    Case("an-exit", failures.exit_, "failed"),
    Case("an-error-code", failures.error, "failed"),
    Case(
        "two-responses",
        failures.two,
        "failed",
        Difference(
            "200 b''", "it forgets the first response, whose body was written and which was never set"
        ),
    ),
    Case("a-loop", failures.loop, 504, NO_LIMIT),
    Case("a-sleep", failures.sleep, (200, b"slept", True)),
    Case("a-sleep-without-end", failures.long_sleep, 504, NO_LIMIT),
    Case(
        "a-fresh-instance-after-a-failure",
        failures.fresh_after,
        {path: ["failed", b"1"] for path in AFTER},
        Difference(
            {**{path: ["failed", b"1"] for path in AFTER}, "/trap-after": ["200 b'part'", b"1"]}, TRAPPED
        ),
    ),
    Case(
        "state-of-instances",
        failures.calls,
        ByKind({"request": [b"1"] * 3, "instance": [b"1", b"2", b"3"], "wasmtime": [b"1"] * 3}),
    ),
    Case("nothing-of-the-inside", failures.told, []),
    # Calls out
    Case("a-call", bodies.fetch, b"203 told POST /echo?q from the guest"),
    Case("a-call-to-nobody", bodies.fetch_nobody, "ConnectionRefused"),
    Case(
        "a-call-that-is-not-allowed",
        bodies.fetch_denied,
        "HttpRequestDenied",
        NotAsked("wasmtime serve has no list of allowed hosts"),
    ),
)
