"""Commands that scripts and Nomad's user interface expect of anything that calls itself a shell."""

from __future__ import annotations

import fcntl
import struct
import termios
import time
from collections.abc import Sequence

from wasmdeploy_driver.console.command import Command, Place, wrong
from wasmdeploy_driver.console.streams import Streams


def _echo(_place: Place, streams: Streams, arguments: Sequence[str]) -> int:
    if arguments[:1] == ["-n"]:
        streams.write(" ".join(arguments[1:]).encode(errors="replace"))
    else:
        streams.say(" ".join(arguments))
    return 0


def _sleep(_place: Place, _streams: Streams, arguments: Sequence[str]) -> int:
    try:
        (seconds,) = (float(each.removesuffix("s")) for each in arguments)
        time.sleep(seconds)
    except (ValueError, OverflowError):
        raise wrong("sleep SECONDS") from None
    return 0


def _head(_place: Place, streams: Streams, arguments: Sequence[str]) -> int:
    count = "".join(arguments).removeprefix("-n") or "10"
    if not (count.isascii() and count.isdecimal()):
        raise wrong("head [-n N], of what is typed or piped in")
    for _ in range(int(count)):
        if not (line := streams.read_line()):
            break
        streams.write(line)
    return 0


def _stty(_place: Place, streams: Streams, arguments: Sequence[str]) -> int:
    if list(arguments) != ["size"]:
        raise wrong("stty size")
    try:
        rows, columns, _, _ = struct.unpack("HHHH", fcntl.ioctl(0, termios.TIOCGWINSZ, b"\0" * 8))
    except OSError as error:
        streams.complain(f"stty: 'standard input': {error.strerror}")
        return 1
    streams.say(f"{rows} {columns}")
    return 0


PLAIN = (
    Command("echo", "echo [-n] WORD…", "print the words", _echo),
    Command("head", "head [-n N]", "print the first lines of what comes in", _head),
    Command("sleep", "sleep SECONDS", "wait", _sleep),
    Command("stty", "stty size", "print the terminal's size", _stty),
    Command("true", "true", "do nothing, successfully", lambda *_: 0),
    Command("false", "false", "do nothing, in vain", lambda *_: 1),
)
