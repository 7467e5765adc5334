"""CGI: a request as arguments and environment variables, a response as the output of a program (RFC 3875, and
what WAGI and Spin add to it).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote_to_bytes

from wasmdeploy_driver.errors import GuestTrap
from wasmdeploy_driver.http.message import Request
from wasmdeploy_driver.http.response import MAX_HEAD, ResponseHead, checked_head

_OWN_VARIABLE = frozenset((b"content-type", b"content-length"))
# `Proxy: x` would become HTTP_PROXY, which many HTTP clients obey (httpoxy), and `connection` is the front's. A
# name with `_` is refused too: it would become the same variable as the one with `-`, which a proxy in front
# may have checked. `authorization` stays, though RFC 3875 would have it removed: nobody else can read a guest's
# environment, and no server here authenticates in its place.
_REFUSED = frozenset((b"proxy", b"connection"))
_PLACE = re.compile(r"\$\{(?:SCRIPT_NAME|ARGS)\}")
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")


def arguments(request: Request, argv: str, fixed: Iterable[str] = ()) -> tuple[str, ...]:
    """The arguments of a program: `argv` with the path as `${SCRIPT_NAME}`, and as `${ARGS}` the component's own
    arguments, then the parts of the query between its `&`, both undecoded.
    """
    path = _text(request.path)
    query = [part for part in _text(request.query).split("&") if part]
    known = {"${SCRIPT_NAME}": path, "${ARGS}": " ".join(query)}
    filled: list[str] = []
    for word in argv.split(" "):
        if word == "${ARGS}":
            filled += [*fixed, *query]
        elif word:
            filled.append(_PLACE.sub(lambda place: known[place[0]], word))
    return tuple(filled)


def environment(request: Request, route: str) -> dict[str, str]:
    """The CGI variables of a request that matched `route` (a trailing `/...` marks the path info)."""
    host, port = _host_and_port(request)
    base = route.removesuffix("/...").rstrip("/")
    path = _text(request.path)
    below = path[len(base) :] if path.startswith(base) else path
    info = _text(unquote_to_bytes(below))
    variables = {
        "GATEWAY_INTERFACE": "CGI/1.1",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": "wasmdeploy",
        "REQUEST_METHOD": request.method,
        "SERVER_NAME": host,
        "SERVER_PORT": port,
        "SCRIPT_NAME": base,
        "PATH_INFO": info,
        "PATH_TRANSLATED": info,
        "QUERY_STRING": _text(request.query),
        "REMOTE_ADDR": request.client,
        "REMOTE_HOST": request.client,
        "REMOTE_USER": "",
        "AUTH_TYPE": "",
        "X_FULL_URL": f"{request.scheme}://{_text(request.authority)}{_text(request.target)}",
        "X_MATCHED_ROUTE": route,
        "X_RAW_COMPONENT_ROUTE": route,
        "X_COMPONENT_ROUTE": base,
        "X_BASE_PATH": "/",
        "X_RAW_PATH_INFO": below,
        "CONTENT_TYPE": "",
        "CONTENT_LENGTH": _length(request),
    }
    for name, value in request.headers:
        text = _text(value)
        if name == b"content-type":
            variables["CONTENT_TYPE"] = text
        elif name not in _OWN_VARIABLE and name not in _REFUSED and b"_" not in name:
            key = "HTTP_" + name.decode("latin-1").upper().replace("-", "_")
            joint = "; " if name == b"cookie" else ", "
            variables[key] = f"{variables[key]}{joint}{text}" if key in variables else text
    return variables


def _length(request: Request) -> str:
    """The length of the body; empty where it still comes and its client has not said how long it is."""
    if request.rest is None:
        return str(len(request.body))
    return next((_text(value) for name, value in request.headers if name == b"content-length"), "")


def _text(data: bytes) -> str:
    """Bytes of a request for a list of C strings: as they came where they are UTF-8, without NUL."""
    try:
        return data.decode().replace("\0", "")
    except UnicodeDecodeError:
        return data.decode("latin-1").replace("\0", "")


def _host_and_port(request: Request) -> tuple[str, str]:
    authority = _text(request.authority)
    host, colon, port = authority.rpartition(":")
    if colon and port.isdigit():
        return host, port
    return authority, "443" if request.scheme == "https" else "80"


def parse_head(output: bytes) -> ResponseHead | None:
    """The head that a CGI program printed, None where more is needed; raises GuestTrap where it is broken.

    `Status: 404 Not Found` sets the status, `Location:` without one means 302; a head needs Content-Type,
    Location or Status.
    """
    blank = _BLANK_LINE.search(output, 0, MAX_HEAD)
    if blank is None:
        if len(output) >= MAX_HEAD:
            raise GuestTrap(f"the guest's CGI head is larger than {MAX_HEAD >> 10} KiB")
        return None
    status = 0
    headers: list[tuple[bytes, bytes]] = []
    for line in output[: blank.start()].split(b"\n"):
        name, colon, value = line.removesuffix(b"\r").partition(b":")
        if not colon:
            raise GuestTrap(f"the guest printed a broken CGI header: {line[:80]!r}")
        if name.lower() == b"status":
            status = _status(value.strip(b" \t"))
        else:
            headers.append((name, value.strip(b" \t")))
    names = {name.lower() for name, _ in headers}
    if not status and not names & {b"content-type", b"location"}:
        raise GuestTrap("the guest's CGI head has none of Content-Type, Location and Status")
    status = status or (302 if b"location" in names else 200)
    return checked_head(status, headers, blank.end())


def missing_head(_: bytes) -> GuestTrap:
    """What it means that the output has ended without a head."""
    return GuestTrap("the guest printed no CGI head (headers, then an empty line)")


def _status(value: bytes) -> int:
    code = value.split(b" ", 1)[0]
    if len(code) != 3 or not code.isdigit():
        raise GuestTrap(f"the guest printed a broken status: {value[:80]!r}")
    return int(code)
