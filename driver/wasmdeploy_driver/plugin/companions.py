"""The services that go-plugin wants beside the plugin's own: health, controller, stdio and broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc  # noqa: TID251  # at home here
import grpc.aio  # noqa: TID251  # at home here

from wasmdeploy_driver.plugin.proto import (
    grpc_broker_pb2_grpc,
    grpc_controller_pb2,
    grpc_controller_pb2_grpc,
    grpc_stdio_pb2_grpc,
)

_SERVING = (
    b"\x08\x01"  # grpc.health.v1.HealthCheckResponse{status: SERVING}, the one answer a living plugin has
)


def add_health(server: grpc.aio.Server) -> None:
    """Answer grpc.health.v1.Health/Check, without a library for two bytes."""

    async def check(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        return _SERVING

    handlers: Any = {"Check": grpc.unary_unary_rpc_method_handler(check)}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("grpc.health.v1.Health", handlers)])


class Controller(grpc_controller_pb2_grpc.GRPCControllerServicer):  # type: ignore[misc]  # generated, untyped
    """How Nomad ends the plugin."""

    def __init__(self, end: asyncio.Event) -> None:
        self._end = end

    async def Shutdown(self, request: Any, context: Any) -> Any:  # noqa: N802
        """End this process and leave the tasks alone: a stopping agent says this too."""
        self._end.set()
        return grpc_controller_pb2.Empty()


class Stdio(grpc_stdio_pb2_grpc.GRPCStdioServicer):  # type: ignore[misc]  # generated, untyped
    """The stream that would mirror our stdout; it is held open and stays empty, since stderr is the log."""

    async def StreamStdio(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        """Wait until Nomad hangs up."""
        await asyncio.get_running_loop().create_future()
        yield


class Broker(grpc_broker_pb2_grpc.GRPCBrokerServicer):  # type: ignore[misc]  # generated, untyped
    """The stream that would open further connections; Nomad opens it and never uses it."""

    async def StartStream(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:  # noqa: N802
        """Read until Nomad hangs up."""
        async for _ in requests:
            pass
        return
        yield
