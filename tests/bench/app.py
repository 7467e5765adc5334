"""An app of a node: the task that Nomad would start, and what it is asked."""

from __future__ import annotations

import http.client
from dataclasses import dataclass
from typing import Any

from tests.bench.errors import BenchError

SECONDS = 120.0  # for a call or an answer, on a machine that does a thousand things


@dataclass(frozen=True, slots=True)
class App:
    """A task to start, where it then listens, what it is asked for, and its answer."""

    config: Any
    port: int
    path: str
    body: bytes


def ask(app: App) -> None:
    """Ask it once; raises BenchError unless the answer is the right one."""
    connection = http.client.HTTPConnection("127.0.0.1", app.port, timeout=SECONDS)
    try:
        connection.request("GET", app.path)
        answer = connection.getresponse()
        if (body := answer.read()) != app.body:
            raise BenchError(f"the app answered {answer.status} {body[:80]!r}")
    finally:
        connection.close()
