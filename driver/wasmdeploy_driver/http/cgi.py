"""CGI: a request as environment variables, a response as the output of a program (RFC 3875, and WAGI's
extras).
"""

from __future__ import annotations

import re

from wasmdeploy_driver.errors import GuestTrap
from wasmdeploy_driver.http.message import Request, Response
from wasmdeploy_driver.http.response import MAX_HEAD, checked_response

_OWN_VARIABLE = frozenset((b"content-type", b"content-length"))
# `Proxy: x` would become HTTP_PROXY, which many HTTP clients obey (httpoxy). A name with `_` is refused too:
# it would become the same variable as the one with `-`, which a proxy in front may have checked.
_REFUSED = frozenset((b"proxy",))
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")


def environment(request: Request, route: str) -> dict[str, str]:
    """The CGI variables of a request that matched `route` (a trailing `/...` marks the path info)."""
    host, port = _host_and_port(request)
    base = route.removesuffix("/...").rstrip("/")
    path = request.path.decode("latin-1")
    variables = {
        "GATEWAY_INTERFACE": "CGI/1.1",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": "wasmdeploy",
        "REQUEST_METHOD": request.method,
        "SERVER_NAME": host,
        "SERVER_PORT": port,
        "SCRIPT_NAME": base,
        "PATH_INFO": path[len(base) :] if path.startswith(base) else path,
        "PATH_TRANSLATED": path,
        "QUERY_STRING": request.query.decode("latin-1"),
        "REMOTE_ADDR": request.client,
        "REMOTE_HOST": request.client,
        "X_FULL_URL": f"{request.scheme}://{request.authority.decode('latin-1')}{request.target.decode('latin-1')}",
        "X_MATCHED_ROUTE": route,
        "CONTENT_LENGTH": str(len(request.body)),
    }
    for name, value in request.headers:
        text = value.decode("latin-1").replace("\0", "")
        if name == b"content-type":
            variables["CONTENT_TYPE"] = text
        elif name not in _OWN_VARIABLE and name not in _REFUSED and b"_" not in name:
            key = "HTTP_" + name.decode("latin-1").upper().replace("-", "_")
            variables[key] = f"{variables[key]}, {text}" if key in variables else text
    return variables


def _host_and_port(request: Request) -> tuple[str, str]:
    authority = request.authority.decode("latin-1")
    host, colon, port = authority.rpartition(":")
    if colon and port.isdigit():
        return host, port
    return authority, "443" if request.scheme == "https" else "80"


def parse_response(output: bytes, head_only: bool = False) -> Response:
    """The response a CGI program printed; raises GuestTrap where it printed none, or a broken one.

    `Status: 404 Not Found` sets the status, `Location:` without one means 302; a head needs Content-Type,
    Location or Status. `head_only` is for a HEAD request, whose declared length has no body to match.
    """
    blank = _BLANK_LINE.search(output, 0, MAX_HEAD)
    if blank is None:
        raise GuestTrap("the guest printed no CGI head (headers, then an empty line)")
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
    return checked_response(status, headers, memoryview(output)[blank.end() :], head_only)


def _status(value: bytes) -> int:
    code = value.split(b" ", 1)[0]
    if len(code) != 3 or not code.isdigit():
        raise GuestTrap(f"the guest printed a broken status: {value[:80]!r}")
    return int(code)
