"""The executor's process on a node: one task from its start call to its exit status.

It belongs to nobody's life but its own: the plugin that started it may die and come back, and finds it again by its
control socket.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from wasmdeploy_driver.errors import ExecutorError, GuestTrap, SecretError, WasmdeployError
from wasmdeploy_driver.executor import cgroup, control
from wasmdeploy_driver.executor.launch import Launch
from wasmdeploy_driver.executor.prepare import Compiled, compile_all, load_app, load_command
from wasmdeploy_driver.executor.serve import Serving, listen
from wasmdeploy_driver.secrets import GivenSecrets, Secret, SecretSource, VaultSecrets
from wasmdeploy_driver.variables import Values, resolve

# An executor that nobody tells to start ends itself: whoever made it has died.
_START_SECONDS = 60.0
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


class TaskProcess:
    """One task: answers control calls, runs the guests, writes the exit status."""

    def __init__(self, state: Path, launch: Launch) -> None:
        self._state = state
        self._launch = launch
        self._serving: Serving | None = None
        self._started = False
        self._watchers: list[asyncio.Queue[dict[str, Any] | None]] = []
        self._ended = asyncio.Event()
        self._work: asyncio.Task[None] | None = None

    async def live(self, listener: socket.socket) -> None:
        """Answer calls until the task has ended."""
        server = await asyncio.start_unix_server(self._connected, sock=listener, limit=control.MAX_LINE)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, lambda: loop.create_task(self._stop(5.0)))
        loop.call_later(_START_SECONDS, self._give_up)
        await self._ended.wait()
        server.close()

    def _give_up(self) -> None:
        if not self._started:
            self.end(1, error="the executor was never told to start")

    def end(self, exit_code: int, *, signal_number: int = 0, error: str = "") -> None:
        """Write the exit status and let the process end; the first call wins."""
        if self._ended.is_set():
            return
        status = {"exit_code": exit_code, "signal": signal_number, "oom_killed": False, "error": error}
        temporary = self._state / f".{control.EXIT}"
        temporary.write_text(json.dumps(status))
        temporary.replace(self._state / control.EXIT)
        for watcher in self._watchers:
            watcher.put_nowait(None)
        self._ended.set()

    # calls

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def send(message: Mapping[str, Any]) -> None:
            writer.write(control.encode_line(message))
            await writer.drain()

        try:
            request = control.decode_line(await reader.readline())
            try:
                answer = await self._call(request, send, reader)
            except WasmdeployError as error:
                await send(control.error_message(error))
            else:
                await send({"ok": answer})
        except (ExecutorError, OSError, ValueError):
            pass  # a broken caller harms nobody but itself
        finally:
            writer.close()

    async def _call(self, request: dict[str, Any], send: Send, reader: asyncio.StreamReader) -> dict[str, Any]:
        match request.get("call"):
            case "start":
                return await self._start(Secret(str(request.get("vault_token", ""))), send, reader)
            case "stop":
                await self._stop(float(request.get("timeout", 5.0)))
                return {}
            case "signal":
                # A guest has no signals: taking one without effect keeps Nomad from killing the task for it.
                self.event("signal", f"{request.get('name')} was sent; guests take no signals")
                return {}
            case "inspect":
                return self._inspect()
            case "events":
                return await self._events(send)
            case other:
                raise ExecutorError(f"unknown call {other!r}")

    def _inspect(self) -> dict[str, Any]:
        facts: dict[str, Any] = {"pid": os.getpid(), "state": "running" if self._started else "starting"}
        if self._serving is not None:
            app = self._serving.app
            host, port = self._serving.address
            facts |= {"listen": f"{host}:{port}", "requests": app.requests, "failures": app.failures,
                      "in_flight": app.in_flight}  # fmt: skip
        return facts | {"components": [component.name for component in self._launch.task.component]}

    async def _events(self, send: Send) -> dict[str, Any]:
        queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue(256)
        self._watchers.append(queue)
        try:
            while (message := await queue.get()) is not None:
                await send(message)
        finally:
            self._watchers.remove(queue)
        return {}

    def event(self, name: str, detail: str) -> None:
        """Tell everyone who listens, and the executor's own log."""
        sys.stderr.write(f"{name}: {detail}\n")
        for watcher in self._watchers:
            if not watcher.full():  # a slow listener loses events, never holds up the app
                watcher.put_nowait({"event": name, "detail": detail})

    # life

    async def _start(self, token: Secret, send: Send, reader: asyncio.StreamReader) -> dict[str, Any]:
        if self._started:
            raise ExecutorError("the task has been started already")
        self._started = True
        queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue(256)
        self._watchers.append(queue)
        starting = asyncio.ensure_future(self._prepare(token))
        gone = asyncio.ensure_future(reader.read(1))
        try:
            await self._relay(queue, starting, gone, send)
            return await starting
        except WasmdeployError as error:
            self.end(1, error=error.message)
            raise
        except (OSError, asyncio.CancelledError):
            self.end(1, error="the caller went away while the task started")
            raise
        finally:
            self._watchers.remove(queue)
            gone.cancel()

    async def _relay(
        self, queue: asyncio.Queue[Any], starting: asyncio.Future[Any], gone: asyncio.Future[Any], send: Send
    ) -> None:
        while not starting.done():
            message = asyncio.ensure_future(queue.get())
            await asyncio.wait((message, starting, gone), return_when=asyncio.FIRST_COMPLETED)
            if message.done():
                await send(message.result())
            else:
                message.cancel()
            if gone.done() and not starting.done():
                starting.cancel()
                raise asyncio.CancelledError
        while not queue.empty():
            await send(queue.get_nowait())

    async def _prepare(self, token: Secret) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        launch = self._launch
        _take_streams(launch)

        def notify(name: str, detail: str) -> None:
            loop.call_soon_threadsafe(self.event, name, detail)

        compiled = await asyncio.to_thread(compile_all, launch, notify)
        if launch.cgroup is not None:
            cgroup.join(launch.cgroup, launch.id)
        values = await asyncio.to_thread(resolve, launch.task, _source(launch, token))
        if launch.task.secrets:
            self.event("secrets", f"{len(launch.task.secrets)} secrets read from Vault")
        if launch.task.module:
            self._work = asyncio.ensure_future(self._run_command(compiled[""], values))
            return {"pid": os.getpid(), "host": "", "port": 0}
        router = await asyncio.to_thread(load_app, launch, compiled, values)
        self._serving = Serving(router, listen(launch.host, launch.port), notify)
        ready: asyncio.Future[None] = loop.create_future()
        self._work = asyncio.ensure_future(self._serve(self._serving, lambda: ready.set_result(None)))
        await asyncio.wait((ready, self._work), return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            raise ExecutorError("the HTTP front ended before it served")
        host, port = self._serving.address
        return {"pid": os.getpid(), "host": host, "port": port}

    async def _serve(self, serving: Serving, ready: Callable[[], None]) -> None:
        try:
            await serving.run(ready)
        except Exception as error:  # noqa: BLE001  # whatever ends the front must be told, or the task would hang
            self.end(1, error=f"the HTTP front failed: {error}")
        else:
            self.end(0)

    async def _run_command(self, compiled: Compiled, values: Values) -> None:
        # In a thread of its own, so that calls are answered while the guest runs.
        try:
            command = await asyncio.to_thread(load_command, self._launch, compiled, values)
            self.end(await asyncio.get_running_loop().run_in_executor(_wide_pool(), command.run))
        except GuestTrap as error:
            sys.stderr.write(error.message + "\n")
            self.event("trap", error.message.splitlines()[0])
            self.end(error.exit_code, error=error.message.splitlines()[0])
        except WasmdeployError as error:
            sys.stderr.write(error.message + "\n")
            self.end(1, error=error.message)

    async def _stop(self, timeout: float) -> None:
        self.event("stopping", f"draining for at most {timeout:g} s")
        if self._serving is None:
            self.end(128 + signal.SIGTERM, signal_number=signal.SIGTERM)
            return
        clean = await self._serving.stop(timeout)
        if not clean:
            self.event("stopping", f"{self._serving.app.in_flight} requests were still running")
            self.end(0)


def _wide_pool() -> Any:
    import threading
    from concurrent.futures import ThreadPoolExecutor

    threading.stack_size(16 << 20)
    return ThreadPoolExecutor(1, thread_name_prefix="guest")


def _source(launch: Launch, token: Secret) -> SecretSource:
    if not launch.task.secrets:
        return GivenSecrets({})
    if launch.vault is None:
        raise SecretError("the task has secrets, but the driver has no Vault address", "set vault { address } in the plugin's config")
    if not token.reveal():
        raise SecretError("the task has secrets, but no Vault token", "add a vault block to the job")
    return VaultSecrets(launch.vault.address, token, namespace=launch.vault.namespace, ca_cert=launch.vault.ca_cert)


def _take_streams(launch: Launch) -> None:
    """Make the task's log FIFOs the guest's stdout and stderr.

    They are opened for reading too: then a dead log collector is no EPIPE that would break the guest, and its
    successor finds what was written meanwhile.
    """
    for path, descriptor in ((launch.stdout, 1), (launch.stderr, 2)):
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            opened = os.open(path, flags, 0o600)
        except OSError as error:
            raise ExecutorError(f"log {path}: {error.strerror}") from error
        if descriptor == 2:
            # The executor's own words stay in its log; wasmtime's and the guest's go to the task's.
            sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
        os.dup2(opened, descriptor)
        os.close(opened)


def main(arguments: list[str]) -> int:
    """Run the task whose state directory is given; the exit status is also in exit.json."""
    state = Path(arguments[0])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    launch = Launch.from_json((state / control.LAUNCH).read_text())
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with control.short_path(state) as path:
        listener.bind(path)
    listener.listen(16)

    async def live() -> None:
        await TaskProcess(state, launch).live(listener)

    asyncio.run(live())
    sys.stderr.flush()
    os._exit(0)  # a guest that never ends must not hold up the exit in its thread
