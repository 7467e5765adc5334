"""The console's three streams, read and written without buffers: what it runs shares them."""

from __future__ import annotations

import os


class Streams:
    """stdin, stdout and stderr; `out` is stderr where a statement ends in `>&2`."""

    def __init__(self, out: int = 1) -> None:
        self.out = out

    def write(self, data: bytes) -> None:
        """Write bytes as they are."""
        _write(self.out, data)

    def say(self, text: str) -> None:
        """Write one line."""
        _write(self.out, f"{text}\n".encode(errors="replace"))

    def complain(self, text: str) -> None:
        """Write one line to stderr."""
        _write(2, f"{text}\n".encode(errors="replace"))

    def read_line(self) -> bytes:
        """One line of stdin with its end, empty at the end; what follows is left for the next reader."""
        line = bytearray()
        while not line.endswith(b"\n"):
            byte = _read(1)
            if not byte:
                break
            line += byte
        return bytes(line)

    def read_all(self, most: int) -> bytes:
        """The rest of stdin, at most `most` bytes."""
        data = bytearray()
        while len(data) < most and (part := _read(min(65536, most - len(data)))):
            data += part
        return bytes(data)


def _read(size: int) -> bytes:
    try:
        return os.read(0, size)
    except OSError:  # a terminal that has hung up
        return b""


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
