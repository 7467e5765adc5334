"""What a stream knows of the connection that carries it."""

from __future__ import annotations

from typing import Protocol

from h2.connection import H2Connection

from wasmdeploy_driver.http.gate import Gate
from wasmdeploy_driver.http.shared import Shared


class Carrier(Protocol):
    """The connection, as its streams see it; `gate` is closed while its client does not read."""

    h2: H2Connection
    gate: Gate
    shared: Shared
    client: str

    def flush(self) -> None:
        """Send what h2 has made."""
        ...

    def done(self, number: int) -> None:
        """This stream has ended, and its application with it."""
        ...
