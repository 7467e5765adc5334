"""How large the frames and heads of a connection are, looked at before they are kept.

h2 looks at a frame's length once all of the frame has come, which may be 16 MiB, and counts the frames of a
head, of which each may be empty or full.
"""

from __future__ import annotations

from h2.errors import ErrorCodes

PREFACE_SIZE = 24
_HEADER = 9
_MOST = 16 << 10  # what every client may send, and we never announce more
_HEADERS, _CONTINUATION = 1, 9
_END_HEADERS = 4


class Sizes:
    """Follows the frames in what comes in, however it is cut."""

    def __init__(self, most_head: int) -> None:
        self._most_head = most_head
        self._head = 0
        self._header = b""
        self._left = PREFACE_SIZE  # of the frame that is under way

    def refuses(self, data: bytes) -> ErrorCodes | None:
        """Why the connection has to end, None where it may go on."""
        at = 0
        while at < len(data):
            if self._left:
                step = min(self._left, len(data) - at)
                self._left -= step
            else:
                step = min(_HEADER - len(self._header), len(data) - at)
                self._header += data[at : at + step]
                if len(self._header) == _HEADER and (code := self._frame()) is not None:
                    return code
            at += step
        return None

    def _frame(self) -> ErrorCodes | None:
        length, kind, flags = int.from_bytes(self._header[:3], "big"), self._header[3], self._header[4]
        self._header, self._left = b"", length
        if length > _MOST:
            return ErrorCodes.FRAME_SIZE_ERROR
        if kind in (_HEADERS, _CONTINUATION):
            self._head += length
            if self._head > self._most_head:
                return ErrorCodes.ENHANCE_YOUR_CALM
            if flags & _END_HEADERS:
                self._head = 0
        return None
