"""HTTP/1.1 over a raw socket: what is sent is bytes as given, what comes back is taken apart and judged."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

PATIENCE = 10.0
Address = tuple[str, int]


def request(
    target: str,
    *headers: str,
    method: str = "GET",
    body: bytes = b"",
    version: str = "1.1",
    host: str = "app.test",
) -> bytes:
    """A request with a Host, and a Content-Length where it has a body."""
    lines = [f"{method} {target} HTTP/{version}", *([f"Host: {host}"] if host else []), *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def chunked(target: str, *chunks: bytes, trailers: bytes = b"") -> bytes:
    """A POST whose body comes in chunks, with an extension each."""
    head = request(target, "Transfer-Encoding: chunked", method="POST")
    return (
        head
        + b"".join(b"%x;a=b\r\n%b\r\n" % (len(each), each) for each in chunks)
        + b"0\r\n"
        + trailers
        + b"\r\n"
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """A response; `end` is whether its body came to the end that its head declared."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    trailers: tuple[tuple[str, str], ...] = ()
    end: Literal["whole", "broken"] = "whole"

    def header(self, name: str) -> str | None:
        """The values of a header, joined; None where there is none."""
        values = [value for each, value in self.headers if each == name]
        return ", ".join(values) if values else None

    @property
    def failed(self) -> bool:
        """Whether the client can tell that this is not what the guest meant to say."""
        return self.status >= 500 or self.end == "broken"


BROKEN = Answer(0, end="broken")
"""No response at all: the connection was closed."""


class Connection:
    """One connection; every read raises TimeoutError after `PATIENCE` seconds."""

    def __init__(self, address: Address) -> None:
        self._socket = socket.create_connection(address, PATIENCE)
        self._reader = self._socket.makefile("rb")

    def close(self) -> None:
        """Close at once."""
        self._reader.close()
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes; a server that has closed already is no failure."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall(data)

    def read(self, size: int) -> bytes:
        """At most so many bytes, b"" at the end."""
        try:
            return self._reader.read1(size)
        except ConnectionResetError:
            return b""

    def exactly(self, size: int) -> bytes:
        """So many bytes; fewer where the connection ends."""
        try:
            return self._reader.read(size)
        except ConnectionResetError:
            return b""

    def rest(self) -> bytes:
        """All until the server closes."""
        return b"".join(iter(lambda: self.read(1 << 16), b""))

    def answer(self, method: str = "GET") -> Answer:
        """The next final response."""
        head = self.head()
        while head.status // 100 == 1:
            head = self.head()
        return self.body(head, method) if head.end == "whole" else head

    def head(self) -> Answer:
        """A head alone; BROKEN where there is none."""
        try:
            line = self._reader.readline()
            fields = self._fields()
        except ConnectionResetError:
            return BROKEN
        if fields is None or not line.startswith(b"HTTP/1."):
            return BROKEN
        return Answer(int(line.split(b" ")[1]), fields)

    def body(self, head: Answer, method: str = "GET") -> Answer:
        """The head with its body read."""
        if method == "HEAD" or head.status in (204, 304):
            return head
        whole, trailers, parts = True, (), []
        length = head.header("content-length")
        with contextlib.suppress(ConnectionResetError):
            if head.header("transfer-encoding") == "chunked":
                whole = False
                for part in self.chunks():
                    parts.append(part)
                    whole = part == b""
                if whole:
                    found = self._fields()
                    whole, trailers = found is not None, found or ()
            elif length is not None:
                parts.append(self._reader.read(int(length)))
                whole = len(parts[0]) == int(length)
            else:
                parts.append(self._reader.read())
        return Answer(head.status, head.headers, b"".join(parts), trailers, "whole" if whole else "broken")

    def chunks(self) -> Iterator[bytes]:
        """Each chunk as it comes, b"" for the last; ends early where the connection does."""
        while line := self._reader.readline():
            size = int(line.split(b";")[0], 16)
            data = self._reader.read(size)
            if len(data) < size:
                return
            if size == 0:
                yield b""
                return
            yield data
            self._reader.readline()

    def _fields(self) -> tuple[tuple[str, str], ...] | None:
        fields = []
        while (line := self._reader.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            fields.append((name.strip().lower(), value.strip()))
        return tuple(fields) if line else None


@contextlib.contextmanager
def connected(address: Address) -> Iterator[Connection]:
    """A connection for the time of the block."""
    connection = Connection(address)
    try:
        yield connection
    finally:
        connection.close()


def ask(address: Address, sent: bytes) -> Answer:
    """One request on a connection of its own."""
    with connected(address) as connection:
        connection.send(sent)
        return connection.answer(sent.split(b" ", 1)[0].decode("latin-1"))
