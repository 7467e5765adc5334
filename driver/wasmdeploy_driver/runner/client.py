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
_RETRY = 0.01


async def call(
    state: Path,
    request: Mapping[str, Any],
    *,
    timeout: float | None,
    on_event: OnEvent | None = None,
    keep_trying: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Make one call, hand its events to `on_event`, return its answer; raises the reported error.

    `keep_trying` is asked after each failed attempt to connect: a fresh executor does not listen yet.
    Raises ExecutorError where nothing is reported at all.
    """
    try:
        async with asyncio.timeout(timeout), connection(state, keep_trying) as (lines, writer):
            writer.write(encode_line(request))
            await writer.drain()
            while line := await lines.readline():
                message = decode_line(line)
                answer = result(message)
                if answer is not None:
                    return answer
                if on_event is not None and "event" in message:
                    on_event(str(message["event"]), str(message.get("detail", "")))
    except TimeoutError:
        raise ExecutorError(
            f"the executor in {state} did not answer {request['call']!r} in {timeout:g} s"
        ) from None
    except ValueError as error:
        raise ExecutorError(f"the executor in {state} sent a line beyond {MAX_LINE} bytes") from error
    except OSError as error:
        raise ExecutorError(
            f"the executor in {state} cannot be reached: {error.strerror or error}"
        ) from error
    raise ExecutorError(f"the executor in {state} closed the call {request['call']!r} without an answer")


@contextlib.asynccontextmanager
async def connection(
    state: Path, keep_trying: Callable[[], bool] = lambda: False
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to the executor; raises OSError."""
    reader, writer = await _connect(state, keep_trying)
    try:
        yield reader, writer
    finally:
        writer.close()


async def _connect(
    state: Path, keep_trying: Callable[[], bool]
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    while True:
        try:
            with short_path(state) as path:
                return await asyncio.open_unix_connection(path, limit=MAX_LINE)
        except OSError:
            if not keep_trying():
                raise
        await asyncio.sleep(_RETRY)
