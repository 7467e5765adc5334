"""Errors as gRPC statuses, some of them marked as worth another try by Nomad's restart policy."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

import grpc  # noqa: TID251  # at home here
import grpc.aio  # noqa: TID251  # at home here
from google.protobuf.any_pb2 import Any as AnyMessage

from wasmdeploy_driver.errors import (
    ConfigError,
    ExecutorError,
    GuestError,
    GuestMissing,
    GuestTrap,
    ListenError,
    SecretError,
    SecretUnavailable,
    WasmdeployError,
)
from wasmdeploy_driver.plugin.proto import recoverable_error_pb2

Call = Callable[[Any, Any, Any], Awaitable[Any]]

# The first class that fits counts. Nomad gives a task up for good on any error that is not recoverable.
_STATUSES: tuple[tuple[type[WasmdeployError], grpc.StatusCode, bool], ...] = (
    (ConfigError, grpc.StatusCode.INVALID_ARGUMENT, False),
    (GuestMissing, grpc.StatusCode.FAILED_PRECONDITION, True),
    (GuestError, grpc.StatusCode.INVALID_ARGUMENT, False),
    (GuestTrap, grpc.StatusCode.ABORTED, False),
    (SecretUnavailable, grpc.StatusCode.FAILED_PRECONDITION, True),
    (SecretError, grpc.StatusCode.FAILED_PRECONDITION, False),
    (ListenError, grpc.StatusCode.FAILED_PRECONDITION, True),
    (ExecutorError, grpc.StatusCode.FAILED_PRECONDITION, True),
    (WasmdeployError, grpc.StatusCode.UNKNOWN, False),
)

# Of an error's text, which travels in an HTTP/2 header.
_MOST_TEXT = 2000


def translated(call: Call) -> Call:
    """Let a call raise our errors: they end it with their status."""

    @functools.wraps(call)
    async def answer(servicer: Any, request: Any, context: Any) -> Any:
        try:
            return await call(servicer, request, context)
        except WasmdeployError as error:
            await abort(context, error)

    return answer


async def abort(context: grpc.aio.ServicerContext[Any, Any], error: WasmdeployError) -> NoReturn:
    """End the call with the error's status, message and hint."""
    code, recoverable = status_of(error)
    whole = f"{error.message} ({error.hint})" if error.hint else error.message
    text = " ".join(whole.split())[:_MOST_TEXT]
    metadata: tuple[tuple[str, bytes], ...] = ()
    if recoverable:
        metadata = (("grpc-status-details-bin", _recoverable(code, text)),)
    await context.abort(code, text, metadata)
    raise AssertionError("abort raises")


def status_of(error: WasmdeployError) -> tuple[grpc.StatusCode, bool]:
    """The error's status code, and whether trying again may help."""
    for cls, code, recoverable in _STATUSES:
        if isinstance(error, cls):
            return code, recoverable
    return grpc.StatusCode.UNKNOWN, False


def _recoverable(code: grpc.StatusCode, text: str) -> bytes:
    """A google.rpc.Status {code = 1, message = 2, details = 3} that holds Nomad's RecoverableError."""
    detail = AnyMessage()
    detail.Pack(recoverable_error_pb2.RecoverableError(recoverable=True))
    number: int = code.value[0]
    return bytes([0x08, number]) + _field(2, text.encode()) + _field(3, detail.SerializeToString())


def _field(number: int, data: bytes) -> bytes:
    length, encoded = len(data), bytearray([number << 3 | 2])
    while length > 0x7F:
        encoded.append(length & 0x7F | 0x80)
        length >>= 7
    encoded.append(length)
    return bytes(encoded) + data
