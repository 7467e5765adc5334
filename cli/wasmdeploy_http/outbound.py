"""Outgoing HTTP calls, to the hosts that the manifest allows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from wasmdeploy_http import component
from wasmdeploy_http.headers import Headers
from wasmdeploy_http.messages import Response, encoded

_METHODS = ("get", "head", "post", "put", "delete", "connect", "options", "trace", "patch")
_ACRONYMS = ("DNS", "HTTP", "IP", "TLS", "URI")
_DENIED = "HTTP-request-denied"
_PROHIBITED = "destination-IP-prohibited"
_BAD_URI = "HTTP-request-URI-invalid"


class FetchError(Exception):
    """The call did not come to an answer; `code` is wasi:http's error code, such as `connection-refused`."""

    def __init__(self, url: str, code: str, detail: str = "") -> None:
        super().__init__(f"{url}: {code}: {detail}" if detail else f"{url}: {code}")
        self.url = url
        self.code = code


def fetch(
    url: str,
    method: str = "GET",
    body: bytes | str | dict[str, Any] | list[Any] | None = None,
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    timeout: float | None = None,
) -> Response:
    """Make a call and wait for the whole answer; `timeout` is in seconds for each of its phases.

    Raises FetchError where the host is not allowed, cannot be reached, or fails in between; ValueError for a header
    that cannot be sent.
    """
    component.require("fetch")
    from componentize_py_types import Err
    from wit_world.imports import outgoing_handler, types

    from wasmdeploy_http import body as wire

    content, content_type = encoded(body)
    fields = Headers(headers)
    if content_type and "content-type" not in fields:
        fields.add("content-type", content_type)
    parts = _split(url)
    request = types.OutgoingRequest(wire.to_send(fields))
    try:
        request.set_method(_method(types, method))
    except Err:
        raise FetchError(url, "HTTP-request-method-invalid", repr(method)) from None
    try:
        _address(types, request, parts)
    except Err:
        raise FetchError(url, _BAD_URI, "percent-encode what is not plain ASCII") from None
    try:
        outgoing = request.body()
        future = outgoing_handler.handle(request, _options(types, timeout))
        answer = _answer(Err, wire, outgoing, content, future)
        with answer:
            return Response(
                b"".join(wire.read_parts(answer.consume())),
                answer.status(),
                wire.received(answer.headers(), whole=False),
            )
    except Err as error:
        raise _failure(types, url, parts, error.value) from None


def _answer(err: type[Any], wire: Any, outgoing: Any, content: bytes, future: Any) -> Any:
    """Send the body and wait for the head of the answer."""
    unsent = None
    try:
        wire.write_all(outgoing, (content,) if content else ())
    except err as error:
        # The future says why, or has an answer that came before all was sent.
        unsent = error
    with future.subscribe() as ready:
        ready.block()
    answer = future.get()
    if answer is None or isinstance(answer, err):
        raise unsent or err(None)
    if isinstance(answer.value, err):
        raise answer.value
    return answer.value.value


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise FetchError(url, _BAD_URI, str(error)) from None
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise FetchError(url, _BAD_URI, "expected http://… or https://… with a host")
    return parts


def _method(types: Any, method: str) -> Any:
    if method.lower() in _METHODS:
        return getattr(types, f"Method_{method.capitalize()}")()
    return types.Method_Other(method)


def _address(types: Any, request: Any, parts: SplitResult) -> None:
    request.set_scheme(types.Scheme_Https() if parts.scheme == "https" else types.Scheme_Http())
    request.set_authority(parts.netloc)
    request.set_path_with_query((parts.path or "/") + (f"?{parts.query}" if parts.query else ""))


def _options(types: Any, timeout: float | None) -> Any:
    if timeout is None:
        return None
    options = types.RequestOptions()
    nanoseconds = int(timeout * 1e9)
    options.set_connect_timeout(nanoseconds)
    options.set_first_byte_timeout(nanoseconds)
    options.set_between_bytes_timeout(nanoseconds)
    return options


def _failure(types: Any, url: str, parts: SplitResult, error: Any) -> FetchError:
    if type(error).__name__ == "StreamError_LastOperationFailed":
        # The error of a body's stream may stand for one of HTTP.
        cause = types.http_error_code(error.value)
        if cause is None:
            return FetchError(url, "internal-error", error.value.to_debug_string())
        error = cause
    code = spelled(type(error).__name__) if error is not None else "internal-error"
    if code == _DENIED:
        return FetchError(
            url, code, f"{parts.netloc} is not in the component's allowed_outbound_hosts (wasmdeploy.toml)"
        )
    if code == _PROHIBITED:
        return FetchError(
            url, code, f"{parts.netloc} is at a private address that allowed_outbound_hosts does not list"
        )
    detail = getattr(error, "value", None)
    detail = getattr(detail, "rcode", detail)  # a DNS error's words
    return FetchError(url, code, "" if detail is None else str(detail))


def spelled(name: str) -> str:
    """An error code as wasi:http spells it, from the name of its generated class."""
    words = re.findall(r"[A-Z][a-z]*", name.rpartition("_")[2])
    return "-".join(word.upper() if word.upper() in _ACRONYMS else word.lower() for word in words)
