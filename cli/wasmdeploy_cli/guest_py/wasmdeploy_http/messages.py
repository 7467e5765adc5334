"""Requests and responses."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote


class Headers:
    """Header fields in order; names do not depend on case, and a name may occur more than once."""

    def __init__(self, items: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        pairs = items.items() if isinstance(items, Mapping) else items
        self._items = [(str(name).lower(), str(value)) for name, value in pairs]

    def get(self, name: str, default: str | None = None) -> str | None:
        """The first value of `name`."""
        return next((value for key, value in self._items if key == name.lower()), default)

    def get_all(self, name: str) -> list[str]:
        """Every value of `name`, in order."""
        return [value for key, value in self._items if key == name.lower()]

    def add(self, name: str, value: str) -> None:
        """Add a value, beside any that are there."""
        self._items.append((name.lower(), value))

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __setitem__(self, name: str, value: str) -> None:
        self._items = [item for item in self._items if item[0] != name.lower()]
        self.add(name, value)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"Headers({self._items!r})"


@dataclass(frozen=True)
class Request:
    """A request: `target` is the raw path with its query, `body` all of its bytes."""

    method: str
    target: str
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""
    scheme: str = "http"
    authority: str = ""

    @property
    def path(self) -> str:
        """The path, percent-decoded, without the query."""
        return unquote(self.target.partition("?")[0])

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters; the last of a name holds."""
        return dict(parse_qsl(self.target.partition("?")[2], keep_blank_values=True))

    @property
    def text(self) -> str:
        """The body as UTF-8 text."""
        return self.body.decode()

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Response:
    """A response: text and JSON values get their content type unless `headers` names one."""

    def __init__(
        self,
        body: bytes | str | dict[str, Any] | list[Any] | None = b"",
        status: int = 200,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] | Headers = (),
    ) -> None:
        self.status = status
        self.headers = headers if isinstance(headers, Headers) else Headers(headers)
        self.body, content_type = _encoded(body)
        if content_type and "content-type" not in self.headers:
            self.headers.add("content-type", content_type)

    @property
    def text(self) -> str:
        """The body as UTF-8 text."""
        return self.body.decode()

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    def __repr__(self) -> str:
        return f"Response(status={self.status}, {len(self.body)} bytes)"


def _encoded(body: object) -> tuple[bytes, str]:
    if body is None:
        return b"", ""
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body), ""
    if isinstance(body, str):
        return body.encode(), "text/plain; charset=utf-8"
    if isinstance(body, (dict, list)):
        return json.dumps(body).encode(), "application/json"
    raise TypeError(f"a response body is bytes, text, a dict or a list, not {type(body).__name__}")
