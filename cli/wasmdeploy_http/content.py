"""`Content`: a body's bytes, which are there, or come part by part."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


class Content:
    """The bytes of a request or a response; a body that comes in parts is kept once all of it was asked for."""

    def __init__(self, data: bytes | Iterable[bytes | str]) -> None:
        self._whole = data if isinstance(data, bytes) else None
        self._parts = iter(()) if isinstance(data, bytes) else iter(data)
        self._taken = False

    @property
    def comes_in_parts(self) -> bool:
        """Whether the end of it is still to come."""
        return self._whole is None

    def whole(self) -> bytes:
        """All of it; raises RuntimeError where parts of it have been taken already."""
        if self._whole is None:
            self._whole = b"".join(self.parts())
        return self._whole

    def parts(self) -> Iterator[bytes]:
        """Part after part, text as UTF-8; raises RuntimeError the second time, TypeError for a part of another type."""
        if self._whole is not None:
            return iter((self._whole,) if self._whole else ())
        if self._taken:
            raise RuntimeError("the body comes in parts, which have been taken already")
        self._taken = True
        return self._encoded()

    def _encoded(self) -> Iterator[bytes]:
        for part in self._parts:
            if not isinstance(part, (bytes, str)):
                raise TypeError(f"a part of a body is bytes or text, not {type(part).__name__}")
            yield part.encode() if isinstance(part, str) else part

    def close(self) -> None:
        """Let go of what would give the parts that nobody wants."""
        if close := getattr(self._parts, "close", None):
            close()
