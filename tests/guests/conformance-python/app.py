"""A wasi:http guest: each path is one thing that the standard speaks of. conformance-rust does the same."""

import os
import random
import sys
import time
from itertools import count
from pathlib import Path

from componentize_py_types import Err, Ok
from wit_world import exports
from wit_world.imports import outgoing_handler
from wit_world.imports.streams import StreamError_Closed
from wit_world.imports.types import (
    ErrorCode_InternalError,
    Fields,
    HeaderError_Forbidden,
    HeaderError_Immutable,
    HeaderError_InvalidSyntax,
    IncomingBody,
    Method_Other,
    Method_Post,
    OutgoingBody,
    OutgoingRequest,
    OutgoingResponse,
    ResponseOutparam,
    Scheme_Http,
)

CALLS = count(1)
KEPT = []


class IncomingHandler(exports.IncomingHandler):
    def handle(self, request, response_out):
        number = next(CALLS)
        path, _, query = (request.path_with_query() or "").partition("?")
        PATHS.get(path, describe)(request, response_out, query, number)


def describe(request, out, _query, _number):
    method, scheme = request.method(), request.scheme()
    name = (
        method.value
        if isinstance(method, Method_Other)
        else type(method).__name__.removeprefix("Method_").upper()
    )
    words = [
        name,
        "none" if scheme is None else type(scheme).__name__.removeprefix("Scheme_").lower(),
        request.authority() or "none",
        request.path_with_query() or "",
    ]
    respond(out, "".join(f"{word}\n" for word in words).encode())


def hello(_request, out, _query, _number):
    respond(out, b"hello\n", [("content-type", b"text/plain")])


def echo(request, out, _query, _number):
    respond(out, read_all(request.consume()))


def length_of(request, out, _query, _number):
    size = 0
    body = request.consume()
    with body.stream() as from_:
        while (chunk := read(from_)) is not None:
            size += len(chunk)
    respond(out, b"%d" % size)


def stream(request, out, _query, _number):
    incoming = request.consume()
    body, to = begin(out)
    with incoming.stream() as from_:
        while (chunk := read(from_)) is not None:
            write_all(to, chunk)
    finish(body, to)


def first_then_fetch(_request, out, query, _number):
    body, to = begin(out)
    write_all(to, b"first\n")
    write_all(to, fetched(query))
    finish(body, to)


def headers(request, out, _query, _number):
    respond(out, lines(request.headers()))


def copy(request, out, _query, _number):
    given = [(name, value) for name, value in request.headers().entries() if name.startswith("x-")]
    respond(out, b"copied", given)


def trailers_in(request, out, _query, _number):
    body = request.consume()
    with body.stream() as from_:
        while read(from_) is not None:
            pass
    future = IncomingBody.finish(body)
    with future.subscribe() as ready:
        ready.block()
    trailers = future.get().value.value
    respond(out, b"none" if trailers is None else lines(trailers))


def trailers_out(_request, out, _query, _number):
    body, to = begin(out, [("trailer", b"x-sum")])
    write_all(to, b"body")
    finish(body, to, Fields.from_list([("x-sum", b"1"), ("x-sum", b"2")]))


def length(_request, out, query, _number):
    declared, _, written = query.partition(",")
    body, to = begin(out, [("content-length", declared.encode())])
    try:
        write_all(to, b"x" * int(written))
        finish(body, to)
    except Err as error:
        print(error, file=sys.stderr)


def status(_request, out, query, _number):
    response = OutgoingResponse(Fields())
    try:
        response.set_status_code(int(query))
    except Err:
        respond(out, b"no such status")
        return
    send(out, response, b"")


def large(_request, out, query, _number):
    respond(out, b"x" * int(query))


def write_first(_request, out, _query, _number):
    response = OutgoingResponse(Fields.from_list([("x-a", b"1")]))
    response.set_status_code(201)
    body = response.body()
    with body.write() as to:
        assert to.check_write() >= 5
        to.write(b"early")
    OutgoingBody.finish(body, None)
    ResponseOutparam.set(out, Ok(response))


def two(_request, out, _query, _number):
    first = OutgoingResponse(Fields())
    body = first.body()
    to = body.write()
    to.check_write()
    to.write(b"first")
    ResponseOutparam.set(out, Ok(OutgoingResponse(Fields.from_list([("x-second", b"1")]))))
    to.__exit__(None, None, None)
    body.__exit__(None, None, None)


def silent(*_):
    pass


def error(_request, out, query, _number):
    ResponseOutparam.set(out, Err(ErrorCode_InternalError(query)))


def trap(*_):
    os.abort()


def trap_after(_request, out, _query, _number):
    _, to = begin(out)
    write_all(to, b"part")
    os.abort()


def unfinished(_request, out, _query, _number):
    body, to = begin(out)
    write_all(to, b"part")
    to.__exit__(None, None, None)
    body.__exit__(None, None, None)


def exit_(*_):
    os._exit(3)


def loop(*_):
    while True:
        pass


def print_(_request, out, _query, _number):
    print("printed to stdout", flush=True)
    print("printed to stderr", file=sys.stderr, flush=True)
    respond(out, b"not printed")


def fetch(_request, out, query, _number):
    respond(out, fetched(query))


def calls(_request, out, _query, number):
    respond(out, b"%d" % number)


def leave(_request, out, query, _number):
    """Leaves the word in memory (freed and not), in /tmp and in the environment."""
    KEPT.append((query + " ").encode())
    for _ in range(100):
        query.encode() * 1000
    os.environ["LEFT"] = query
    try:
        Path("/tmp/left").write_text(query)
        file = "file"
    except OSError as failure:
        file = failure.strerror
    respond(out, f"left; /tmp: {file}".encode())


def find(_request, out, _query, number):
    found = [
        *(["environment"] if "LEFT" in os.environ else []),
        *(["file"] if Path("/tmp/left").exists() else []),
        *(["memory"] if KEPT else []),
        *(["calls"] if number > 1 else []),
    ]
    respond(out, " ".join(found or ["nothing"]).encode())


def now(_request, out, _query, _number):
    respond(out, f"{time.time()} {random.SystemRandom().getrandbits(64)}".encode())


def sleep(_request, out, query, _number):
    time.sleep(int(query) / 1000)
    respond(out, b"slept")


def respond(out, body, headers=()):
    send(out, OutgoingResponse(Fields.from_list(list(headers))), body)


def send(out, response, content):
    body = response.body()
    ResponseOutparam.set(out, Ok(response))
    to = body.write()
    write_all(to, content)
    finish(body, to)


def begin(out, headers=()):
    response = OutgoingResponse(Fields.from_list(list(headers)))
    body = response.body()
    ResponseOutparam.set(out, Ok(response))
    return body, body.write()


def finish(body, to, trailers=None):
    to.__exit__(None, None, None)
    OutgoingBody.finish(body, trailers)


def write_all(to, content):
    for start in range(0, len(content), 4096):
        to.blocking_write_and_flush(content[start : start + 4096])


def read(from_):
    """The next bytes, None at the end."""
    try:
        return from_.blocking_read(1 << 16)
    except Err as failure:
        if isinstance(failure.value, StreamError_Closed):
            return None
        raise


def read_all(body):
    content = []
    with body.stream() as from_:
        while (chunk := read(from_)) is not None:
            content.append(chunk)
    return b"".join(content)


def lines(fields):
    return b"".join(name.encode() + b"=" + value + b"\n" for name, value in fields.entries())


def fetched(url):
    authority, _, path = url.partition("/")
    request = OutgoingRequest(Fields.from_list([("x-from", b"guest")]))
    request.set_method(Method_Post())
    request.set_scheme(Scheme_Http())
    request.set_authority(authority)
    request.set_path_with_query(f"/{path}")
    body = request.body()
    try:
        future = outgoing_handler.handle(request, None)
    except Err as failure:
        return b"at once: " + type(failure.value).__name__.encode()
    to = body.write()
    try:
        write_all(to, b"from the guest")
        finish(body, to)
    except Err:  # the future tells why
        pass
    with future.subscribe() as ready:
        ready.block()
    answer = future.get().value
    if isinstance(answer, Err):
        return type(answer.value).__name__.removeprefix("ErrorCode_").encode()
    response = answer.value
    kind = b"".join(response.headers().get("x-kind"))
    return b"%d %s %s" % (response.status(), kind, read_all(response.consume()))


def fields(request, out, _query, _number):
    given = request.headers()
    assert refused(HeaderError_Immutable, given.append, "a", b"b")
    assert refused(HeaderError_Immutable, given.delete, "a")
    assert refused(HeaderError_Immutable, given.set, "a", [])
    own = Fields()
    for name in ("connection", "Host", "keep-alive", "transfer-encoding", "upgrade", "proxy-connection"):
        assert refused(HeaderError_Forbidden, own.append, name, b"x"), name
    for name in ("", "bad name", "bad:name", "b\u00e9"):
        assert refused(HeaderError_InvalidSyntax, own.append, name, b"x"), name
    for value in (b"a\r\nb", b"a\nb", b"a\0b"):
        assert refused(HeaderError_InvalidSyntax, own.append, "a", value), value
    own.append("X-One", b"1")
    own.append("x-one", b"\xff")
    own.append("x-two", b"")
    assert own.get("X-ONE") == [b"1", b"\xff"]
    assert own.has("x-TWO")
    assert not own.has("x-three")
    assert own.get("x-three") == []
    own.set("x-One", [b"3"])
    own.delete("X-Two")
    assert len(own.entries()) == 1
    copied = own.clone()
    response = OutgoingResponse(own)
    assert refused(HeaderError_Immutable, response.headers().append, "a", b"b")
    copied.append("a", b"b")
    assert len(response.headers().entries()) == 1
    assert response.status_code() == 200
    assert refused(type(None), response.set_status_code, 99)
    request.consume()
    assert refused(type(None), request.consume)
    respond(out, b"all as it should be")


def refused(kind, function, *arguments):
    try:
        function(*arguments)
    except Err as failure:
        return isinstance(failure.value, kind)
    return False


PATHS = {
    "/hello": hello, "/echo": echo, "/count": length_of, "/stream": stream, "/first-then-fetch": first_then_fetch,
    "/headers": headers, "/copy": copy, "/fields": fields, "/trailers-in": trailers_in,
    "/trailers-out": trailers_out, "/length": length, "/status": status, "/large": large,
    "/write-first": write_first, "/two": two, "/silent": silent, "/error": error, "/trap": trap,
    "/trap-after": trap_after, "/unfinished": unfinished, "/exit": exit_, "/loop": loop, "/print": print_,
    "/fetch": fetch, "/calls": calls, "/leave": leave, "/find": find, "/now": now,
    "/sleep": sleep,
}  # fmt: skip
