"""The executor's control socket, asynchronously: one call per connection."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

from wasmdeploy_driver.errors import ExecutorError
from wasmdeploy_driver.executor.control import MAX_LINE, decode_line, encode_line, result, short_path

OnEvent = Callable[[str, str], None]


async def call(
    state: Path, request: Mapping[str, Any], *, timeout: float | None, on_event: OnEvent | None = None
) -> dict[str, Any]:
    """Make one call, hand its events to `on_event`, return its answer; raises the reported error or ExecutorError."""
    try:
        async with asyncio.timeout(timeout), _connection(state, request) as lines:
            while line := await lines.readline():
                message = decode_line(line)
                answer = result(message)
                if answer is not None:
                    return answer
                if on_event is not None and "event" in message:
                    on_event(str(message["event"]), str(message.get("detail", "")))
    except TimeoutError:
        raise ExecutorError(f"the executor in {state} did not answer {request['call']!r} in {timeout:g} s") from None
    except ValueError as error:
        raise ExecutorError(f"the executor in {state} sent a line beyond {MAX_LINE} bytes") from error
    except OSError as error:
        raise ExecutorError(f"the executor in {state} cannot be reached: {error.strerror or error}") from error
    raise ExecutorError(f"the executor in {state} closed the call {request['call']!r} without an answer")


async def listens(state: Path) -> bool:
    """Whether the control socket takes connections."""
    try:
        with short_path(state) as path:
            _, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return False
    writer.close()
    return True


@contextlib.asynccontextmanager
async def _connection(state: Path, request: Mapping[str, Any]) -> AsyncIterator[asyncio.StreamReader]:
    with short_path(state) as path:
        reader, writer = await asyncio.open_unix_connection(path, limit=MAX_LINE)
    try:
        writer.write(encode_line(request))
        await writer.drain()
        yield reader
    finally:
        writer.close()
