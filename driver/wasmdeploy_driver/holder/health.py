"""What a client of a parked app asks for, as far as it has come: nobody is woken for a health check."""

from __future__ import annotations

from typing import Literal

from wasmdeploy_driver.app.app import HEALTH
from wasmdeploy_driver.http.message import text_response
from wasmdeploy_driver.http.wire import Clock, encode_response

Verdict = Literal["health", "more", "other"]
# A longer head is for the app to judge.
MOST_HEAD = 4096
_METHODS = ("GET", "HEAD")
_CLOCK = Clock()


def judge(start: bytes, checked: str = "") -> tuple[Verdict, int]:
    """What the bytes are that a client has sent, and how many of them are the request where it is a health check.

    `checked` is the target that the job's own check asks for, if there is one.
    """
    starts = tuple(_line(method, target) for method in _METHODS for target in (HEALTH, checked) if target)
    if not start.startswith(starts):
        return ("more" if any(each.startswith(start) for each in starts) else "other"), 0
    head, end, behind = start.partition(b"\r\n\r\n")
    if not end:
        return ("more" if len(start) < MOST_HEAD else "other"), 0
    names = {line.partition(b":")[0].strip().lower() for line in head.split(b"\r\n")[1:]}
    if behind or names & {b"content-length", b"transfer-encoding", b"upgrade", b"expect"}:
        return "other", 0
    return "health", len(head) + len(end)


def answer(start: bytes, status: int) -> bytes:
    """The answer to a health check: `status` is what the app answered its own last, while it was awake."""
    own = not start.startswith(tuple(_line(method, HEALTH) for method in _METHODS))
    response = text_response(status, "parked") if own else text_response(200, "ok")
    parts = encode_response(response, _CLOCK.header(), b"connection: close\r\n", start.startswith(b"HEAD"))
    return b"".join(parts)


def _line(method: str, target: str) -> bytes:
    return f"{method} {target} HTTP/1.1\r\n".encode()
