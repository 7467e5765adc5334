"""The calls at a task's control socket: each gets its answer or its error, and hears of events on the way."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from wasmdeploy_driver.errors import ExecutorError, WasmdeployError
from wasmdeploy_driver.executor import control
from wasmdeploy_driver.executor.consoles import has_hung_up
from wasmdeploy_driver.executor.listeners import Listener
from wasmdeploy_driver.secrets import Secret

# When the task has ended, calls under way get this long to take their last line.
_LAST_WORDS_SECONDS = 1.0


@dataclass(frozen=True)
class Call:
    """One call: its request, and the way to its caller."""

    request: Mapping[str, Any]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    descriptor: int  # which the transport does not tell any more once it has closed

    @property
    def token(self) -> Secret:
        """The Vault token that came with it; empty where there is none."""
        return Secret(str(self.request.get("vault_token") or ""))

    async def send(self, message: Mapping[str, Any]) -> None:
        """Tell the caller; OSError once it has gone."""
        self.writer.write(control.encode_line(message))
        await self.writer.drain()

    def has_hung_up(self) -> bool:
        """Whether the caller has gone."""
        return has_hung_up(self.descriptor)

    async def follow(self, listener: Listener, left: Callable[[], object]) -> None:
        """Tell the caller what the listener hears, to its end; `left` is called once the caller is gone."""
        # One that leaves is let go now, not when the next event cannot be sent to it.
        gone = asyncio.ensure_future(self.reader.read(1))
        gone.add_done_callback(lambda _: left())
        try:
            async for message in listener.messages():
                await self.send(message)
        except OSError:
            left()
        finally:
            gone.cancel()


Act = Callable[[Call], Awaitable[Mapping[str, Any]]]


class Calls:
    """Answers each call with the act of its name."""

    def __init__(self, acts: Mapping[str, Act]) -> None:
        self._acts = acts
        self._under_way: set[asyncio.Task[Any]] = set()

    def add(self, task: asyncio.Task[Any]) -> None:
        """Count it among the calls under way until it is done."""
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def last_words(self) -> None:
        """Wait for what is under way, for a moment."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=_LAST_WORDS_SECONDS)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a connection's one call."""
        try:
            descriptor = writer.get_extra_info("socket").fileno()
            call = Call(control.decode_line(await reader.readline()), reader, writer, descriptor)
            if (task := asyncio.current_task()) is not None:
                self.add(task)
            try:
                answer = await self._act(call)
            except WasmdeployError as error:
                await call.send(control.error_message(error))
            else:
                await call.send({"ok": answer})
            if call.request.get("call") == "exec":
                # What is still on its way in would turn the answer into a broken connection.
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(_to_the_end(reader), _LAST_WORDS_SECONDS)
        except (ExecutorError, OSError, ValueError):
            pass  # a broken caller harms nobody but itself
        finally:
            writer.close()

    async def _act(self, call: Call) -> Mapping[str, Any]:
        name = call.request.get("call")
        act = self._acts.get(name) if isinstance(name, str) else None
        if act is None:
            raise ExecutorError(f"unknown call {name!r}")
        return await act(call)


async def _to_the_end(reader: asyncio.StreamReader) -> None:
    while await reader.read(65536):
        pass
