"""CGI: a request as environment variables, a response as the output of a program (RFC 3875, and WAGI's extras)."""

from __future__ import annotations

from wasmdeploy_driver.errors import GuestTrap
from wasmdeploy_driver.http.message import Request, Response

_OWN_VARIABLE = frozenset((b"content-type", b"content-length"))
# `Proxy: x` would become HTTP_PROXY, which many HTTP clients obey (httpoxy).
_REFUSED = frozenset((b"proxy",))


def environment(request: Request, route: str) -> dict[str, str]:
    """The CGI variables of a request that matched `route` (a trailing `/...` marks the path info)."""
    host, port = _host_and_port(request)
    base = route.removesuffix("/...")
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
        elif name not in _OWN_VARIABLE and name not in _REFUSED:
            key = "HTTP_" + name.decode("latin-1").upper().replace("-", "_")
            variables[key] = f"{variables[key]}, {text}" if key in variables else text
    return variables


def _host_and_port(request: Request) -> tuple[str, str]:
    authority = request.authority.decode("latin-1")
    host, colon, port = authority.rpartition(":")
    if colon and port.isdigit():
        return host, port
    return authority, "443" if request.scheme == "https" else "80"


def parse_response(output: bytes) -> Response:
    """The response a CGI program printed; raises GuestTrap where it printed none.

    `Status: 404 Not Found` sets the status, `Location:` without one means 302; a head needs Content-Type, Location
    or Status.
    """
    head, blank, body = _split(output)
    if not blank:
        raise GuestTrap("the guest printed no CGI head (headers, then an empty line)")
    status = 0
    headers: list[tuple[bytes, bytes]] = []
    for line in head.splitlines():
        name, colon, value = line.partition(b":")
        name, value = name.strip().lower(), value.strip()
        if not colon or not name or b" " in name:
            raise GuestTrap(f"the guest printed a broken CGI header: {line[:80]!r}")
        if name == b"status":
            status = _status(value)
        else:
            headers.append((name, value))
    names = {name for name, _ in headers}
    if not status and not names & {b"content-type", b"location"}:
        raise GuestTrap("the guest's CGI head has none of Content-Type, Location and Status")
    return Response(status or (302 if b"location" in names else 200), tuple(headers), body)


def _split(output: bytes) -> tuple[bytes, bool, memoryview]:
    found = [(at, mark) for mark in (b"\n\n", b"\r\n\r\n") if (at := output.find(mark)) >= 0]
    if not found:
        return output, False, memoryview(b"")
    at, mark = min(found)
    return output[:at], True, memoryview(output)[at + len(mark) :]


def _status(value: bytes) -> int:
    code = value.split(b" ", 1)[0]
    if len(code) != 3 or not code.isdigit() or not 200 <= int(code) <= 599:
        raise GuestTrap(f"the guest printed a broken status: {value[:80]!r}")
    return int(code)
