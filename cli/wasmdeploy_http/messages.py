"""Requests and responses."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

from wasmdeploy_http.content import Content
from wasmdeploy_http.headers import Headers

_FORM = "application/x-www-form-urlencoded"


class Request:
    """A request: `target` is the raw path with its query; `body` is bytes, or an iterator of them."""

    def __init__(
        self,
        method: str,
        target: str,
        headers: Headers | None = None,
        body: bytes | Iterable[bytes] = b"",
        *,
        scheme: str = "http",
        authority: str = "",
    ) -> None:
        self.method = method
        self.target = target
        self.headers = Headers() if headers is None else headers
        self.scheme = scheme
        self.authority = authority
        self.content = Content(body)

    @property
    def body(self) -> bytes:
        """All bytes of the body; waits for them."""
        return self.content.whole()

    def stream(self) -> Iterator[bytes]:
        """The body part by part, as it comes, once; raises RuntimeError the second time, and for `body` then."""
        return self.content.parts()

    def __repr__(self) -> str:
        return f"Request({self.method!r}, {self.target!r})"

    @property
    def path(self) -> str:
        """The path, percent-decoded, without the query."""
        return unquote(self.target.partition("?")[0])

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters; the last of a name holds."""
        return dict(self._parameters())

    def query_all(self, name: str) -> list[str]:
        """Every value of a parameter of the query, in order."""
        return [value for key, value in self._parameters() if key == name]

    def form(self) -> dict[str, str]:
        """The fields of an HTML form sent as application/x-www-form-urlencoded; the last of a name holds.

        Raises ValueError for a body of another content type.
        """
        return dict(self._fields())

    def form_all(self, name: str) -> list[str]:
        """Every value of a field of the form, in order; raises ValueError as `form` does."""
        return [value for key, value in self._fields() if key == name]

    @property
    def text(self) -> str:
        """The body as UTF-8 text."""
        return self.body.decode()

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    def _parameters(self) -> list[tuple[str, str]]:
        return parse_qsl(self.target.partition("?")[2], keep_blank_values=True)

    def _fields(self) -> list[tuple[str, str]]:
        sent = self.headers.get("content-type", "") or ""
        if sent.partition(";")[0].strip().lower() != _FORM:
            raise ValueError(f"the request's content type is {sent or 'not given'}, a form's is {_FORM}")
        return parse_qsl(self.text, keep_blank_values=True)


class Response:
    """A response: text and JSON values get their content type unless `headers` names one.

    Without a `status` it is 200, and 204 for the body None. Raises ValueError for a status or a header that HTTP
    does not have, TypeError for a body that is none of these. Of an iterator, each part goes out at once.
    """

    def __init__(
        self,
        body: bytes | str | dict[str, Any] | list[Any] | Iterator[bytes | str] | None = b"",
        status: int | None = None,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] | Headers = (),
    ) -> None:
        if status is None:
            status = 204 if body is None else 200
        # 1xx is not the end of an answer; above 599 is not specified, and yet seen in answers to `fetch`.
        if not isinstance(status, int) or not 200 <= status <= 999:
            raise ValueError(f"{status!r} is no status of a response: expected a number from 200 to 599")
        self.status = int(status)
        self.headers = headers if isinstance(headers, Headers) else Headers(headers)
        content, content_type = (body, "") if isinstance(body, Iterator) else encoded(body)
        self.content = Content(content)
        if content_type and "content-type" not in self.headers:
            self.headers.add("content-type", content_type)

    @property
    def body(self) -> bytes:
        """All bytes of the body."""
        return self.content.whole()

    def stream(self) -> Iterator[bytes]:
        """The body part by part, once; raises RuntimeError the second time, and for `body` then."""
        return self.content.parts()

    @property
    def text(self) -> str:
        """The body as UTF-8 text."""
        return self.body.decode()

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    def __repr__(self) -> str:
        size = "in parts" if self.content.comes_in_parts else f"{len(self.body)} bytes"
        return f"Response(status={self.status}, {size})"


def encoded(body: object) -> tuple[bytes, str]:
    """A body's bytes and its content type ("" for bytes, which tell none); raises TypeError."""
    if body is None:
        return b"", ""
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body), ""
    if isinstance(body, str):
        return body.encode(), "text/plain; charset=utf-8"
    if isinstance(body, (dict, list)):
        return json.dumps(body).encode(), "application/json"
    raise TypeError(
        f"a body is bytes, text, a dict, a list or an iterator of its parts, not {type(body).__name__}"
    )
