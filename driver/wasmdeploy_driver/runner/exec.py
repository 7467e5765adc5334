"""A console of a task, from the plugin's side: lines to and from the executor, until it has ended."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from wasmdeploy_driver.errors import ExecutorError
from wasmdeploy_driver.executor.control import decode_line, encode_line, result
from wasmdeploy_driver.runner.client import connection

Stream = Literal["stdout", "stderr"]
# What goes in: bytes for stdin, None for its end, rows and columns of a terminal.
Input = bytes | tuple[int, int] | None
Output = Callable[[Stream, bytes], Awaitable[None]]
_PART = 256 << 10  # a line of the control socket holds 1 MiB


async def run(
    state: Path, command: Sequence[str], *, tty: bool, inputs: AsyncIterator[Input], output: Output
) -> int:
    """Run a command in a console of the task and give its exit code; raises ExecutorError.

    The console ends with this call, also when it is cancelled.
    """
    try:
        async with connection(state) as (lines, writer):
            writer.write(encode_line({"call": "exec", "command": list(command), "tty": tty}))
            feeding = asyncio.create_task(_feed(writer, inputs))
            try:
                while line := await lines.readline():
                    message = decode_line(line)
                    if (answer := result(message)) is not None:
                        return int(answer["exit_code"])
                    for stream in ("stdout", "stderr"):
                        if stream in message:
                            await output(stream, base64.b64decode(message[stream], validate=True))
            finally:
                feeding.cancel()
                writer.transport.abort()  # input that nobody took must not keep the connection open
                await asyncio.gather(feeding, return_exceptions=True)
    except (OSError, ValueError, TypeError, KeyError, binascii.Error) as error:
        raise ExecutorError(f"the console broke off: {error}") from error
    raise ExecutorError("the console broke off: the task has ended")


async def _feed(writer: asyncio.StreamWriter, inputs: AsyncIterator[Input]) -> None:
    async for each in inputs:
        for message in _messages(each):
            writer.write(encode_line(message))
            await writer.drain()


def _messages(given: Input) -> list[Mapping[str, Any]]:
    if isinstance(given, tuple):
        return [{"size": list(given)}]
    if given is None:
        return [{"stdin": None}]
    parts = (given[at : at + _PART] for at in range(0, len(given), _PART))
    return [{"stdin": base64.b64encode(part).decode()} for part in parts]
