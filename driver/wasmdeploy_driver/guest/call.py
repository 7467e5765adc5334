"""What a guest is told to answer, and what came of it; both also as messages to and from an engine process.

    call      u16 component, u8 body (0 in the message, 1 in an attached memory file, 2 in an attached pipe),
              u32 length of a JSON array [environment, arguments], u32 length of the trailers,
              the array, the trailers as lines `name:value`, what of stdin is in the message: all of it, or
              u64 how much of the memory file it is, or nothing
    trailers  behind a body that came through a pipe, if there are any: u16 0, u8 3, their lines
    outcome   nothing for success without trailers, else a JSON object of the fields

This module does no I/O.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from enum import IntEnum
from struct import Struct

from wasmdeploy_driver.errors import GuestTimeout, GuestTrap

Trailers = tuple[tuple[bytes, bytes], ...]
# Gives the trailers of a request whose body has ended.
AskTrailers = Callable[[], Trailers]
_HEAD = Struct("<HBII")
_SIZE = Struct("<Q")
_TRAILERS = b"\0\0\3"
_NOTHING = b"[{},[]]"
# Of a guest's words in an outcome, which has to fit in one message.
MAX_DETAIL = 16_000
# Of a guest's trailers: six bytes of JSON for each of theirs fit in one message, too.
MAX_TRAILERS = 24 << 10


class Stdin(IntEnum):
    """Where a call's stdin comes from."""

    MESSAGE = 0
    FILE = 1
    PIPE = 2


@dataclass(frozen=True, slots=True)
class Call:
    """One run of a component for one request; `environment` and `args` are for CGI programs.

    The `trailers` are those of a body that is whole.
    """

    component: int
    stdin: bytes = b""
    environment: Mapping[str, str] | None = None
    args: tuple[str, ...] = ()
    trailers: Trailers = ()

    def encode(self, stdin: Stdin = Stdin.MESSAGE) -> bytes:
        """The message; with the length of the call's stdin where that is in a file."""
        more = json.dumps([self.environment, self.args]).encode() if self.environment else _NOTHING
        trailers = _lines(self.trailers) if self.trailers else b""
        match stdin:
            case Stdin.MESSAGE:
                rest = self.stdin
            case Stdin.FILE:
                rest = _SIZE.pack(len(self.stdin))
            case Stdin.PIPE:
                rest = b""
        return b"".join((_HEAD.pack(self.component, stdin, len(more), len(trailers)), more, trailers, rest))

    @classmethod
    def decode(cls, message: bytes) -> tuple[Call, Stdin]:
        """The call in a message that `encode` made, and where its stdin comes from (`from_file` reads it there)."""
        component, stdin, size, lines = _HEAD.unpack_from(message)
        at = _HEAD.size + size
        more = message[_HEAD.size : at]
        environment, args = (None, ()) if more == _NOTHING else json.loads(more)
        trailers = _fields(message[at : at + lines]) if lines else ()
        return cls(component, message[at + lines :], environment, tuple(args), trailers), Stdin(stdin)

    def from_file(self, read: Callable[[int], bytes]) -> Call:
        """This call, decoded, with the stdin that `read` gives of the file, by its length."""
        return replace(self, stdin=read(*_SIZE.unpack(self.stdin)))


def encode_trailers(trailers: Trailers) -> bytes:
    """The message that follows a call when its body has come through the pipe."""
    return _TRAILERS + _lines(trailers)


def decode_trailers(message: bytes) -> Trailers | None:
    """The trailers in a message that `encode_trailers` made, None for another message."""
    return _fields(message[len(_TRAILERS) :]) if message.startswith(_TRAILERS) else None


def _lines(trailers: Trailers) -> bytes:
    # Neither names nor values have line ends, and names no colon: the front has seen to it.
    return b"\n".join(b"%b:%b" % field for field in trailers)


def _fields(lines: bytes) -> Trailers:
    return tuple((name, value) for name, _, value in (line.partition(b":") for line in lines.split(b"\n")))


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: `failure` is empty where it was whole, `late` tells a time-out from a trap."""

    failure: str = ""
    late: bool = False
    trailers: Trailers = ()

    def encode(self) -> bytes:
        """The message."""
        if not self.failure and not self.trailers:
            return b"\n"  # an empty message would say that the process has ended
        fields = asdict(self) | {
            "failure": self.failure[:MAX_DETAIL],
            "trailers": [[part.decode("latin-1") for part in pair] for pair in self.trailers],
        }
        return json.dumps(fields).encode()

    @classmethod
    def decode(cls, message: bytes) -> Outcome:
        """The outcome in a message that `encode` made."""
        if message == b"\n":
            return SUCCESS
        fields = json.loads(message)
        trailers = tuple(
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in fields["trailers"]
        )
        return cls(fields["failure"], fields["late"], trailers)

    @classmethod
    def failed(cls, error: Exception) -> Outcome:
        """The outcome of a run that raised."""
        text = error.message if isinstance(error, GuestTrap) else f"{type(error).__name__}: {error}"
        return cls(text or type(error).__name__, isinstance(error, GuestTimeout))

    def error(self) -> GuestTrap:
        """The failure as the error that it was."""
        return GuestTimeout(self.failure) if self.late else GuestTrap(self.failure)


SUCCESS = Outcome()
