"""Nomad's exec calls as consoles: messages of the stream in and out, and the collected output of a script check."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from wasmdeploy_driver.errors import ConfigError, ExecutorError
from wasmdeploy_driver.plugin.proto import driver_pb2
from wasmdeploy_driver.runner import Handle
from wasmdeploy_driver.runner.exec import Input, Stream

_RESPONSE = driver_pb2.ExecTaskStreamingResponse
_OPERATION = driver_pb2.ExecTaskStreamingIOOperation
# Of a script check's output, which Nomad hands to Consul whole.
_MOST_OUTPUT = 1 << 20


async def collected(handle: Handle, command: Sequence[str], timeout: float) -> Any:
    """Run to the end and answer with all output; raises ExecutorError after `timeout` seconds (0 for none)."""
    outputs = {"stdout": bytearray(), "stderr": bytearray()}

    async def keep(stream: Stream, data: bytes) -> None:
        into = outputs[stream]
        into += data[: _MOST_OUTPUT - len(into)]

    try:
        async with asyncio.timeout(timeout or None):
            code = await handle.exec(command, tty=False, inputs=_nothing(), output=keep)
    except TimeoutError:
        raise ExecutorError(f"{' '.join(command)[:100]!r} ran longer than {timeout:g} s") from None
    return driver_pb2.ExecTaskResponse(
        stdout=bytes(outputs["stdout"]),
        stderr=bytes(outputs["stderr"]),
        result=driver_pb2.ExitResult(exit_code=code),
    )


async def streamed(handle: Handle, setup: Any, requests: AsyncIterator[Any], context: Any) -> None:
    """Carry a console over the call's stream, its exit code last."""

    async def send(stream: Stream, data: bytes) -> None:
        await context.write(_response(stream, _OPERATION(data=data)))

    code = await handle.exec(setup.command, tty=setup.tty, inputs=_inputs(requests), output=send)
    await context.write(_response("stdout", _OPERATION(close=True)))
    await context.write(_response("stderr", _OPERATION(close=True)))
    await context.write(_RESPONSE(exited=True, result=driver_pb2.ExitResult(exit_code=code)))


def _response(stream: Stream, operation: Any) -> Any:
    return _RESPONSE(stdout=operation) if stream == "stdout" else _RESPONSE(stderr=operation)


async def setup_of(requests: AsyncIterator[Any]) -> Any:
    """What the first message asks for; raises ConfigError where it asks for nothing."""
    async for request in requests:
        if request.HasField("setup"):
            return request.setup
        break
    raise ConfigError("an exec begins with what is to be run")


async def _inputs(requests: AsyncIterator[Any]) -> AsyncIterator[Input]:
    async for request in requests:
        if request.HasField("tty_size"):
            yield request.tty_size.height, request.tty_size.width
        elif request.HasField("stdin"):
            if request.stdin.data:
                yield request.stdin.data
            if request.stdin.close:
                yield None


async def _nothing() -> AsyncIterator[Input]:
    yield None
