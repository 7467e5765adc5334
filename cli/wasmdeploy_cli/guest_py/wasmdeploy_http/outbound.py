"""Outgoing HTTP calls, to the hosts that the manifest allows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from wasmdeploy_http.messages import Headers, Response

_METHODS = ("get", "head", "post", "put", "delete", "connect", "options", "trace", "patch")


class FetchError(Exception):
    """The call did not come to an answer; `code` is wasi:http's error code."""

    def __init__(self, url: str, code: str) -> None:
        super().__init__(f"{url}: {code}")
        self.code = code


def fetch(
    url: str,
    method: str = "GET",
    body: bytes | str | dict[str, Any] | list[Any] | None = None,
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    timeout: float | None = None,
) -> Response:
    """Make a call and wait for the whole answer; `timeout` is in seconds for each of its phases.

    Raises FetchError where the host is not allowed, cannot be reached, or fails in between.
    """
    from componentize_py_types import Err
    from wasmdeploy_http.body import read_all, write_all
    from wit_world.imports import outgoing_handler, types

    sent = Response(body, headers=headers)
    try:
        request = _request(types, url, method, sent.headers)
        outgoing = request.body()
        future = outgoing_handler.handle(request, _options(types, timeout))
        write_all(outgoing, sent.body)
        with future.subscribe() as ready:
            ready.block()
        answer = future.get()
        incoming = answer.value.value if answer is not None and not isinstance(answer, Err) else None
        if answer is None or isinstance(answer, Err) or isinstance(answer.value, Err):
            raise FetchError(url, _code(answer.value.value if answer is not None else None))
        with incoming:
            received = Headers(
                (name, value.decode("latin-1")) for name, value in incoming.headers().entries()
            )
            return Response(read_all(incoming.consume()), incoming.status(), received)
    except Err as error:
        raise FetchError(url, _code(error.value)) from None


def _request(types: Any, url: str, method: str, headers: Headers) -> Any:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise FetchError(url, "HTTP-request-URI-invalid")
    request = types.OutgoingRequest(
        types.Fields.from_list([(name, value.encode()) for name, value in headers])
    )
    request.set_method(
        getattr(types, f"Method_{method.capitalize()}")()
        if method.lower() in _METHODS
        else types.Method_Other(method)
    )
    request.set_scheme(types.Scheme_Https() if parts.scheme == "https" else types.Scheme_Http())
    request.set_authority(parts.netloc)
    request.set_path_with_query((parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
    return request


def _options(types: Any, timeout: float | None) -> Any:
    if timeout is None:
        return None
    options = types.RequestOptions()
    nanoseconds = int(timeout * 1e9)
    options.set_connect_timeout(nanoseconds)
    options.set_first_byte_timeout(nanoseconds)
    options.set_between_bytes_timeout(nanoseconds)
    return options


def _code(error: object) -> str:
    name = type(error).__name__
    return name.removeprefix("ErrorCode_") if name.startswith("ErrorCode_") else name
