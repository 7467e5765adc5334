"""The plugin's life: go-plugin's handshake, the gRPC server, and an end that leaves every task running."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import signal
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import grpc.aio  # noqa: TID251  # at home here

from wasmdeploy_driver.isolation import privileges
from wasmdeploy_driver.plugin import log
from wasmdeploy_driver.plugin.base import Base
from wasmdeploy_driver.plugin.companions import Broker, Controller, Stdio, add_health
from wasmdeploy_driver.plugin.driver import Driver
from wasmdeploy_driver.plugin.proto import (
    base_pb2_grpc,
    driver_pb2_grpc,
    grpc_broker_pb2_grpc,
    grpc_controller_pb2_grpc,
    grpc_stdio_pb2_grpc,
)
from wasmdeploy_driver.plugin.socket import listening_directory
from wasmdeploy_driver.runner.executors import EXECUTOR

COOKIE = "NOMAD_PLUGIN_MAGIC_COOKIE"
COOKIE_VALUE = "e4327c2e01eabfd75a8a67adb114fb34a757d57eee7728d857a8cec6e91a7255"
CORE_PROTOCOL = 1
APP_PROTOCOL = 2

_GRACE = 0.1
_THREADS = 64  # Nomad stops many tasks at once, and each waits for what it ends
_NO_LIMIT = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
_LOG = logging.getLogger(__name__)


def main(command: Sequence[str] = EXECUTOR) -> None:
    """Run as Nomad's plugin until Nomad says Shutdown; never returns. `command` starts an executor."""
    if os.environ.get(COOKIE) != COOKIE_VALUE:
        sys.stderr.write("nomad-driver-wasm is a Nomad plugin: put it into plugin_dir, Nomad runs it.\n")
        sys.exit(1)
    # go-plugin reads the first line of stdout as the handshake: nothing else may write there before it.
    handshake = os.dup(1)
    os.dup2(2, 1)
    log.to_stderr()
    privileges.hide()  # tasks' Vault tokens pass through
    # Each task takes a few descriptors here, and each connection one in its executor: the usual 1,024 are soon gone.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    asyncio.run(_serve(handshake, Driver(dict(os.environ), command)))


async def _serve(handshake: int, driver: Driver) -> None:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(_THREADS))
    end = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, end.set)
    for ignored in (signal.SIGINT, signal.SIGHUP):  # a terminal sends them to the agent's whole group
        signal.signal(ignored, signal.SIG_IGN)

    with listening_directory() as directory:
        path = directory / "plugin.sock"
        server = _server(driver, end)
        server.add_insecure_port(f"unix:{path}")
        await server.start()
        os.write(handshake, f"{CORE_PROTOCOL}|{APP_PROTOCOL}|unix|{path}|grpc|\n".encode())
        os.close(handshake)
        await end.wait()
        # Calls that wait for tasks' ends are open as long as there are tasks; they are cut, the tasks stay.
        await server.stop(_GRACE)
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            directory.rmdir()
        # At once: Nomad takes a failed call for a task's end unless it soon sees the plugin gone.
        os._exit(0)


def _server(driver: Driver, end: asyncio.Event) -> grpc.aio.Server:
    server = grpc.aio.server(options=_NO_LIMIT)
    add_health(server)
    grpc_controller_pb2_grpc.add_GRPCControllerServicer_to_server(Controller(end), server)
    grpc_stdio_pb2_grpc.add_GRPCStdioServicer_to_server(Stdio(), server)
    grpc_broker_pb2_grpc.add_GRPCBrokerServicer_to_server(Broker(), server)
    base_pb2_grpc.add_BasePluginServicer_to_server(Base(driver), server)
    driver_pb2_grpc.add_DriverServicer_to_server(driver, server)
    return server
