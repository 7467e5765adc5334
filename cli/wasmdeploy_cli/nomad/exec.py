"""A command inside an allocation, through Nomad's WebSocket API (the only home of websockets).

Both sides send JSON objects as text frames: we `{"stdin": {"data": BASE64}}` or `{"close": true}` in its place, and
`{"tty_size": {…}}`; Nomad `stdout` and `stderr` in the same form, then `{"exited": true, "result": {"exit_code": N}}`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import quote, urlencode

from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect

from wasmdeploy_cli.errors import ClusterError, DeployError
from wasmdeploy_cli.nomad.settings import Settings

_OPEN_SECONDS = 20.0


class Exec:
    """A command that runs in an allocation; `send`, `finish` and `resize` may be called from another thread."""

    def __init__(self, connection: ClientConnection, address: str) -> None:
        self._connection = connection
        self._address = address

    def send(self, data: bytes) -> None:
        """Give the command more of its standard input; nothing happens once it has ended."""
        self._say({"stdin": {"data": base64.b64encode(data).decode()}})

    def finish(self) -> None:
        """End the command's standard input."""
        self._say({"stdin": {"close": True}})

    def resize(self, columns: int, lines: int) -> None:
        """Tell how large the terminal is."""
        self._say({"tty_size": {"height": lines, "width": columns}})

    def output(self) -> Iterator[tuple[str, bytes]]:
        """What the command writes, as (`stdout` or `stderr`, bytes), last (`exit`, its code); raises ClusterError."""
        try:
            for frame in self._connection:
                message = json.loads(frame)
                for name in ("stdout", "stderr"):
                    if data := (message.get(name) or {}).get("data"):
                        yield name, base64.b64decode(data)
                if message.get("exited"):
                    yield "exit", str((message.get("result") or {}).get("exit_code", 0)).encode()
                    return
        except ConnectionClosed as error:
            raise self._broken(error.rcvd.reason if error.rcvd else "") from error
        except (WebSocketException, OSError, ValueError) as error:
            raise self._broken(str(error)) from error
        raise self._broken("")

    def _say(self, message: dict[str, Any]) -> None:
        with suppress(ConnectionClosed):  # told by `output`
            self._connection.send(json.dumps(message))

    def _broken(self, reason: str) -> ClusterError:
        reason = " ".join(reason.split()) or "the connection broke off"
        return ClusterError(f"Nomad at {self._address}: exec: {reason}", "see: wasmdeploy status")


@contextmanager
def running(
    settings: Settings, namespace: str, allocation: str, task: str, command: Sequence[str], *, tty: bool
) -> Iterator[Exec]:
    """Start a command in a task; leaving the block ends it. Raises ClusterError, DeployError where Nomad refuses."""
    parameters = {"task": task, "command": json.dumps(list(command)), "tty": str(tty).lower(),
                  "namespace": namespace, "ws_handshake": "false"}  # fmt: skip
    path = f"/v1/client/allocation/{quote(allocation, safe='')}/exec?{urlencode(parameters)}"
    url = "ws" + settings.nomad.removeprefix("http") + path
    secure = settings.nomad.startswith("https:")
    try:
        connection = connect(
            url,
            ssl=settings.nomad_tls.context() if secure else None,
            server_hostname=(settings.nomad_tls.server_name or None) if secure else None,
            additional_headers=settings.nomad_headers,
            compression=None,
            max_size=None,
            open_timeout=_OPEN_SECONDS,
            legacy=True,
        )
    except InvalidStatus as error:
        text = (error.response.body or b"").decode(errors="replace").strip()
        if error.response.status_code == 403:
            raise ClusterError(
                f"Nomad at {settings.nomad} refuses: {text}",
                "set NOMAD_TOKEN to a token whose policy allows this (alloc-exec)",
            ) from error
        raise DeployError(f"Nomad at {settings.nomad}: exec: {text}", "see: wasmdeploy status") from error
    except (WebSocketException, OSError, TimeoutError) as error:
        raise ClusterError(f"Nomad at {settings.nomad} cannot be reached", settings.nomad_hint) from error
    with connection:
        yield Exec(connection, settings.nomad)
