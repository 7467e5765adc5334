"""The executor's process on a node: one task from its start call to its exit status.

It belongs to nobody's life but its own: the plugin that started it may die and come back, and finds it again
by its control socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from wasmdeploy_driver.app.memfile import whole
from wasmdeploy_driver.app.oom import ENGINE_SCORE, OwnScore
from wasmdeploy_driver.app.stem import Stem
from wasmdeploy_driver.duration import seconds
from wasmdeploy_driver.errors import ExecutorError, GuestError, GuestTrap, WasmdeployError
from wasmdeploy_driver.executor import cgroup, confine, control, netns
from wasmdeploy_driver.executor.consoles import Consoles, has_hung_up
from wasmdeploy_driver.executor.desk import Desk
from wasmdeploy_driver.executor.engines import fork_stem
from wasmdeploy_driver.executor.external.compile import ExternalGuest, compile_external
from wasmdeploy_driver.executor.external.serving import ExternalServing, external_command
from wasmdeploy_driver.executor.files import open_dirs
from wasmdeploy_driver.executor.idle import Idle
from wasmdeploy_driver.executor.image import Compiled, Image
from wasmdeploy_driver.executor.keeper import Keeper
from wasmdeploy_driver.executor.launch import Launch
from wasmdeploy_driver.executor.listeners import MAX_DETAIL, Listeners
from wasmdeploy_driver.executor.logs import Logs
from wasmdeploy_driver.executor.parking import Wake, unpack
from wasmdeploy_driver.executor.prepare import Command, compile_all, load_command, load_guests
from wasmdeploy_driver.executor.run import guest_thread, run, take_input, take_streams, tell_task
from wasmdeploy_driver.executor.serve import Serving, listen
from wasmdeploy_driver.executor.title import show_name
from wasmdeploy_driver.guest.preopen import Preopen
from wasmdeploy_driver.isolation import privileges
from wasmdeploy_driver.secrets import Secret
from wasmdeploy_driver.variables import Values

# An executor that nobody tells to start ends itself: whoever made it has died.
_START_SECONDS = 60.0
# When the task has ended, calls under way get this long to take their last line.
_LAST_WORDS_SECONDS = 1.0
T = TypeVar("T")
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


class TaskProcess:
    """One task: answers control calls, runs the guests, writes the exit status."""

    def __init__(
        self, state: Path, launch: Launch, stem: Stem | None, control_socket: socket.socket, score: OwnScore
    ) -> None:
        self._state = state
        # Open from now on: the task's user cannot write there, or not even come there.
        self._directory = os.open(state, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        self._exit = os.open(control.EXIT, flags, 0o600, dir_fd=self._directory)
        self._stem = stem
        self._launch = launch
        self._serving: Serving | ExternalServing | None = None
        self._logs: Logs | None = None
        self._keeper: Keeper | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="start")
        self._started = False
        self._runs = False
        self._listeners = Listeners()
        self._consoles = Consoles(self._directory, launch, score)
        self._calls: set[asyncio.Task[Any]] = set()
        self._ended = asyncio.Event()
        self._work: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._idle: asyncio.Task[None] | None = None
        self._stopping = False
        self._woken_in = 0.0
        self._desk = Desk(control_socket, self._connected)

    async def live(self, wake: Wake | None) -> None:
        """Answer calls until the task has ended; `wake` is there where it was parked."""
        if wake is not None:
            await self._awake(wake)
        await self._desk.open()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._terminate)
        loop.call_later(_START_SECONDS, self._give_up)
        self._expect_idleness()
        await self._ended.wait()
        self._desk.close()
        await self._end_secrets()
        if self._calls:
            await asyncio.wait(self._calls, timeout=_LAST_WORDS_SECONDS)
        if self._logs is not None:
            self._logs.flush()

    def _terminate(self) -> None:
        task = asyncio.ensure_future(self._stop(5.0))
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    def _give_up(self) -> None:
        if not self._started:
            self.end(1, error="the executor was never told to start")

    def end(self, exit_code: int, *, signal_number: int = 0, error: str = "") -> None:
        """Write the exit status and let the process end; the first call wins."""
        if self._ended.is_set():
            return
        status = {"exit_code": exit_code, "signal": signal_number, "oom_killed": False, "error": error}
        with contextlib.suppress(
            OSError
        ):  # on a full disk the status is lost, and the task ends all the same
            os.pwrite(self._exit, json.dumps(status).encode(), 0)
        self._listeners.finish()
        self._consoles.close()
        self._ended.set()

    # calls

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def send(message: Mapping[str, Any]) -> None:
            writer.write(control.encode_line(message))
            await writer.drain()

        try:
            request = control.decode_line(await reader.readline())
            if (task := asyncio.current_task()) is not None:
                self._calls.add(task)
                task.add_done_callback(self._calls.discard)
            try:
                connection: int = writer.get_extra_info("socket").fileno()
                answer = await self._call(request, send, reader, lambda: has_hung_up(connection))
            except WasmdeployError as error:
                await send(control.error_message(error))
            else:
                await send({"ok": answer})
            if request.get("call") == "exec":
                # What is still on its way in would turn the answer into a broken connection.
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(_to_the_end(reader), _LAST_WORDS_SECONDS)
        except (ExecutorError, OSError, ValueError):
            pass  # a broken caller harms nobody but itself
        finally:
            writer.close()

    async def _call(
        self,
        request: dict[str, Any],
        send: Send,
        reader: asyncio.StreamReader,
        hung_up: Callable[[], bool],
    ) -> dict[str, Any]:
        match request.get("call"):
            case "start":
                return await self._start(Secret(str(request.get("vault_token") or "")), send, reader)
            case "token":
                if self._keeper is not None:
                    self._keeper.take_token(Secret(str(request.get("vault_token") or "")))
            case "stop":
                await self._stop(_seconds(request.get("timeout", 5.0)))
            case "signal":
                self._signal(str(request.get("name")))
            case "exec":
                if not self._runs or self._ended.is_set():
                    raise ExecutorError("the task does not run: it has no console now")
                return await self._consoles.run(request, send, reader, hung_up)
            case "inspect":
                return self._inspect()
            case "events":
                return await self._events(send, reader)
            case other:
                raise ExecutorError(f"unknown call {other!r}")
        return {}

    def _signal(self, name: str) -> None:
        """Taking one without effect keeps Nomad from killing the task for it."""
        if name == "SIGUSR1":
            self._tell_task(f"state: {json.dumps(self._inspect())}")
            effect = "the task's state is in its stderr"
        elif name == "SIGHUP":
            effect = "guests take no signals; secrets are read again by themselves where `refresh` says so"
        else:
            effect = "guests take no signals"
        self._listeners.tell("signal", f"{name} was sent; {effect}")

    def _tell_task(self, text: str) -> None:
        (self._logs.tell if self._logs is not None else tell_task)(text)

    def _inspect(self) -> dict[str, Any]:
        facts: dict[str, Any] = {"pid": os.getpid(), "state": "running" if self._runs else "starting"}
        if self._serving is not None:
            host, port = self._serving.address
            facts["listen"] = f"{host}:{port}"
        if self._keeper is not None:
            facts |= self._keeper.facts()
        if isinstance(self._serving, Serving):
            app = self._serving.app
            if self._woken_in:
                facts["woken_in_ms"] = round(self._woken_in * 1000, 1)
            facts |= {"requests": app.requests, "failures": app.failures,
                      "in_flight": app.in_flight, "processes": 1 + app.processes}  # fmt: skip
        return facts | {"components": [component.name for component in self._launch.task.component]}

    async def _events(self, send: Send, reader: asyncio.StreamReader) -> dict[str, Any]:
        with self._desk.not_counted(), self._listeners.listening() as listener:
            # One that leaves is let go now, not when the next event cannot be sent to it.
            gone = asyncio.ensure_future(reader.read(1))
            gone.add_done_callback(lambda _: listener.finish())
            try:
                async for message in listener.messages():
                    await send(message)
            finally:
                gone.cancel()
        return {}

    # life

    async def _start(self, token: Secret, send: Send, reader: asyncio.StreamReader) -> dict[str, Any]:
        if self._started:
            raise ExecutorError("the task has been started already")
        self._started = True
        starting = asyncio.ensure_future(self._prepare(token))
        gone = asyncio.ensure_future(reader.read(1))
        gone.add_done_callback(lambda _: starting.cancel())
        try:
            with self._listeners.listening() as listener:
                starting.add_done_callback(lambda _: listener.finish())
                async for message in listener.messages():
                    await send(message)
        except OSError:
            starting.cancel()
        finally:
            gone.cancel()
        return self._prepared(starting)

    def _prepared(self, starting: asyncio.Future[dict[str, Any]]) -> dict[str, Any]:
        if not starting.done() or starting.cancelled():
            error = "was stopped" if self._ended.is_set() else "was left by its caller"
            self.end(1, error=f"the task {error} while it started")
            raise ExecutorError(f"the task {error} while it started")
        try:
            answer = starting.result()
        except WasmdeployError as error:
            self.end(1, error=error.message)
            raise
        except Exception as error:  # whatever it is must be told, or the task would hang
            failure = _unexpected("the task cannot be started", error)
            self.end(1, error=failure.message)
            raise failure from error
        self._runs = True
        self._expect_idleness()
        return answer

    async def _awake(self, wake: Wake) -> None:
        """Go on with a task that was parked; what fails is its end."""
        self._started = True
        try:
            await self._go_on(wake)
        except WasmdeployError as error:
            self.end(1, error=error.message)
        except Exception as error:  # noqa: BLE001  # whatever it is must be told, or the task would hang
            self.end(1, error=_unexpected("the task cannot be woken", error).message)
        self._thread.shutdown(wait=False)

    async def _go_on(self, wake: Wake) -> None:
        shelved, launch = wake.shelved, self._launch
        self._logs = take_streams(launch, (shelved.stdout, shelved.stderr))
        if launch.cgroup is not None:
            cgroup.join(launch.cgroup, launch.id)
        content, token = unpack(whole(shelved.image))
        os.close(shelved.image)
        # Its own words on what it may: those that the executor before it left were in a guest's reach.
        image = replace(Image.from_bytes(content, shelved.compiled), launch=launch)
        self._keeper = Keeper(launch, token, self._notify)
        self._keeper.resume(image.values)
        serving = await self._serving_of(image, socket.socket(fileno=shelved.listener))
        await self._begin(serving)
        for connection in wake.connections:
            with contextlib.suppress(OSError):  # its client has gone
                await serving.front.adopt(socket.socket(fileno=connection))
        self._runs = True
        self._woken_in = time.monotonic() - wake.asked_at

    def _expect_idleness(self) -> None:
        """Park the app once it is idle, where its task says so."""
        if self._launch.holder is None or not isinstance(self._serving, Serving):
            return
        if self._idle is not None:
            return
        timeout = seconds(self._launch.task.idle_timeout, "idle_timeout")
        idle = Idle(
            self._serving, self._desk, str(self._state), timeout, may=self._may_end, token=self._token
        )
        self._idle = asyncio.ensure_future(self._park(idle))

    def _token(self) -> Secret:
        return self._keeper.token if self._keeper is not None else Secret("")

    def _may_end(self) -> bool:
        # Nobody would renew the leases of an app that is parked.
        leased = self._keeper is not None and self._keeper.has_leases
        return not (self._stopping or self._ended.is_set() or leased)

    async def _park(self, idle: Idle) -> None:
        await idle.parked(self._listeners.tell)
        if self._logs is not None:
            self._logs.flush()
        sys.stderr.flush()
        os._exit(0)  # without an exit status: the task goes on

    async def _apart(self, work: Callable[..., T], *arguments: object) -> T:
        """Do it in a thread, that of a start: its calls are answered meanwhile, and no idle thread keeps memory."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    async def _prepare(self, token: Secret) -> dict[str, Any]:
        try:
            return await self._bring_up(token)
        except BaseException:
            await self._end_secrets()  # whoever hears of the failure kills this process
            raise
        finally:
            self._thread.shutdown(wait=False)

    async def _end_secrets(self) -> None:
        if self._keeper is not None:
            await self._keeper.close()

    def _notify(self, name: str, detail: str) -> None:
        self._loop.call_soon_threadsafe(self._listeners.tell, name, detail)

    async def _bring_up(self, token: Secret) -> dict[str, Any]:
        launch, notify = self._launch, self._notify
        self._logs = take_streams(launch)
        take_input(launch)
        compiled = await self._apart(compile_all, launch, notify)
        external = await self._apart(compile_external, launch, notify)
        if launch.cgroup is not None:
            cgroup.join(launch.cgroup, launch.id)
        self._keeper = Keeper(launch, token, notify)
        values = await self._apart(self._keeper.read)
        if launch.task.secrets:
            count = len(launch.task.secrets)
            self._listeners.tell("secrets", f"{count} secret{'' if count == 1 else 's'} read from Vault")
        if launch.task.module:
            dirs = open_dirs(launch, launch.task.dir)
            await self._confine((compiled[""].descriptor,), dirs)
            command = await self._apart(load_command, launch, compiled[""], values, dirs)
            self._work = asyncio.ensure_future(self._run_command(command))
            self._keeper.keep(None)
            return {"pid": os.getpid(), "host": "", "port": 0}
        return await self._begin(await self._make_serving(compiled, external, values))

    async def _begin(self, serving: Serving | ExternalServing) -> dict[str, Any]:
        self._serving = serving
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._work = asyncio.ensure_future(self._serve(serving, lambda: ready.set_result(None)))
        await asyncio.wait((ready, self._work), return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            self._work.result()
            raise ExecutorError("the HTTP front ended before it served")
        if self._keeper is not None:
            self._keeper.keep(serving.renew if isinstance(serving, Serving) else None)
        host, port = serving.address
        return {"pid": os.getpid(), "host": host, "port": port}

    async def _make_serving(
        self, compiled: Mapping[str, Compiled], external: ExternalGuest | None, values: Values
    ) -> Serving | ExternalServing:
        launch = self._launch
        image = Image.opened(launch, compiled, values)
        listener = listen(launch.host, launch.port)  # which the task's user may not be able to
        if external is not None:
            command = external_command(launch, external, values, image.preopens)
            await self._confine((external.code,), image.preopens)
            return ExternalServing(command, listener)
        return await self._serving_of(image, listener)

    async def _serving_of(self, image: Image, listener: socket.socket) -> Serving:
        if self._stem is None:
            raise ExecutorError("the executor of an app has no stem")
        await self._confine((each.descriptor for each in image.compiled.values()), image.preopens)
        guests = await self._apart(load_guests, image)
        return Serving(image, guests, self._stem, listener, self._guest_failed, stuck=self._stuck)

    async def _confine(self, code: Iterable[int], dirs: Iterable[Preopen]) -> None:
        """Give up what loading and running guests needs no more; each thread does so for itself."""
        if self._launch.isolation is None:
            return
        settled = confine.Settled(self._launch, self._launch.isolation, self._directory, code, dirs)
        await self._apart(settled)
        settled()
        settled.close()

    def _stuck(self) -> None:
        # A fresh process is all that helps against blocked threads; Nomad starts one.
        error = "every guest that may run at once is blocked past its time limit"
        self._listeners.tell("stuck", error)
        self.end(1, error=error)

    def _guest_failed(self, name: str, detail: str) -> None:
        self._listeners.tell(name, detail)
        self._tell_task(f"{name}: {detail}")

    async def _serve(self, serving: Serving | ExternalServing, ready: Callable[[], None]) -> None:
        try:
            await serving.run(ready)
        except GuestError as error:
            if not self._runs:
                raise  # whoever asked for the start is told
            self._guest_failed("ended", error.message)
            self.end(1, error=error.message)
        except Exception as error:  # noqa: BLE001  # whatever ends the front must be told, or the task would hang
            self.end(1, error=_unexpected("the HTTP front failed", error).message)
        else:
            self.end(0)

    async def _run_command(self, command: Command) -> None:
        # In a thread of its own, so that calls are answered while the guest runs.
        try:
            self.end(await asyncio.get_running_loop().run_in_executor(guest_thread(), run, command))
        except GuestTrap as error:
            from wasmdeploy_driver.guest.sandbox import first_line

            reason = first_line(error)[:MAX_DETAIL]
            self._listeners.tell("trap", reason)
            self.end(error.exit_code, error=reason)
        except Exception as error:  # noqa: BLE001  # whatever it is must be told, or the task would hang
            self.end(1, error=_unexpected("the command cannot be run", error).message)

    async def _stop(self, timeout: float) -> None:
        self._stopping = True
        self._listeners.tell("stopping", f"draining for at most {timeout:g} s")
        if self._serving is None:
            self.end(128 + signal.SIGTERM, signal_number=signal.SIGTERM)
            return
        clean = await self._serving.stop(timeout)
        if not clean:
            self._listeners.tell("stopping", "requests or connections were still open")
            self.end(0)


async def _to_the_end(reader: asyncio.StreamReader) -> None:
    while await reader.read(65536):
        pass


def _seconds(value: object) -> float:
    try:
        seconds = float(value)  # type: ignore[arg-type]  # what is none raises
    except (TypeError, ValueError, OverflowError):
        seconds = -1.0
    if not 0 <= seconds < math.inf:
        raise ExecutorError(f"{str(value)[:80]!r} is no number of seconds")
    return seconds


def _unexpected(what: str, error: Exception) -> ExecutorError:
    """An error that nobody translated; its traceback goes to the executor's own log."""
    traceback.print_exception(error, file=sys.stderr)
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return ExecutorError(f"{what}: {type(error).__name__}: {reason}"[:MAX_DETAIL])


def _in_process(task: Mapping[str, Any]) -> bool:
    """Whether guests answer requests in processes of ours."""
    components = task.get("component", {}).values()
    return bool(components) and not any(each.get("engine") for each in components)


def main(arguments: list[str], listener: socket.socket | None = None, wake: Wake | None = None) -> int:
    """Run the task whose state directory is given; the exit status is also in exit.json.

    `listener` is the control socket, where somebody else has made it already; `wake` what a parked task goes on with.
    """
    state = Path(arguments[0])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    privileges.hide()
    text = (state / control.LAUNCH).read_text()
    described = json.loads(text)
    show_name(f"wasm:{described['task'].get('app') or described['id']}")
    score = OwnScore()
    alone: Callable[[], None] = lambda: None  # noqa: E731
    try:
        # First of all: the stem and every thread are to be in it, too.
        if described.get("netns"):
            netns.join(str(described["netns"]))
        if "isolation" in described:
            confine.begin(described, state)
            alone = partial(confine.as_stem, described)
    except ExecutorError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    # Before there are threads, or a socket that it would share; and before Launch is made, whose memory it would keep.
    with score.lent(ENGINE_SCORE):
        stem = fork_stem(alone) if _in_process(described["task"]) else None
    launch = Launch.from_json(text)
    control_socket = listener or control.listen(state)

    async def live() -> NoReturn:
        await TaskProcess(state, launch, stem, control_socket, score).live(wake)
        sys.stderr.flush()
        os._exit(0)  # neither a guest nor a compile that goes on in its thread may hold up the exit

    return asyncio.run(live())
