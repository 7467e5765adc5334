"""An app that a child process serves: the same life as `Serving`'s."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import Any

from wasmdeploy_driver.errors import GuestError
from wasmdeploy_driver.executor.external.child import Child
from wasmdeploy_driver.executor.external.command import serve_arguments
from wasmdeploy_driver.executor.external.compile import ExternalGuest
from wasmdeploy_driver.executor.launch import Launch
from wasmdeploy_driver.guest.preopen import Preopen
from wasmdeploy_driver.variables import Values


def external_command(
    launch: Launch, guest: ExternalGuest, values: Values, dirs: Sequence[Preopen]
) -> tuple[str, ...]:
    """The command line that serves the guest, its directories open; raises ConfigError."""
    arguments = serve_arguments(launch.task, guest.component, guest.binary, values, dirs)
    return (guest.program, *arguments, f"/proc/self/fd/{guest.code}")


class ExternalServing:
    """An app that listens, by a child: `run` serves until `stop`, which drains it."""

    def __init__(self, command: tuple[str, ...], listener: socket.socket) -> None:
        self._command = command
        self._listener = listener
        host, port = listener.getsockname()[:2]
        self._address: tuple[str, int] = (host, port)
        self._child: Child | None = None
        self._ended = asyncio.Event()
        self._stopping = False

    @property
    def address(self) -> tuple[str, int]:
        """The host and port it listens on."""
        return self._address

    async def run(self, ready: Callable[[], Any]) -> None:
        """Serve until `stop`; `ready` is called once connections are answered. Raises GuestError where the child ends
        by itself.
        """
        loop = asyncio.get_running_loop()
        serving = asyncio.Event()
        self._child = child = Child(
            self._command, self._listener,
            serving=lambda: loop.call_soon_threadsafe(serving.set),
            ended=lambda: loop.call_soon_threadsafe(self._ended.set),
        )  # fmt: skip
        self._listener.close()  # once the child has drained, nobody may wait in its queue
        try:
            first = [asyncio.ensure_future(event.wait()) for event in (serving, self._ended)]
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            for each in first:
                each.cancel()
            if not serving.is_set():
                if self._stopping:
                    return
                raise child.failure()
            ready()
            await self._ended.wait()
        finally:
            child.kill()
        if not self._stopping:
            raise GuestError(f"wasmtime {_end(child.status)}", "its last words are in the task's stderr")

    async def stop(self, timeout: float) -> bool:
        """Stop accepting, wait up to `timeout` seconds for open connections; whether all came to their end."""
        self._stopping = True
        if self._child is None:
            return True
        self._child.drain()
        try:
            await asyncio.wait_for(self._ended.wait(), timeout)
        except TimeoutError:
            self._child.kill()
            return False
        return True


def _end(status: int | None) -> str:
    return (
        f"was ended by signal {-status}"
        if status is not None and status < 0
        else f"ended with status {status}"
    )
