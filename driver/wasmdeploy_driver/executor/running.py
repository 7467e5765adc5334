"""One task on a node, from its start call to its exit status."""

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
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wasmdeploy_driver.app.oom import OwnScore
from wasmdeploy_driver.app.stem import Stem
from wasmdeploy_driver.duration import seconds
from wasmdeploy_driver.errors import ExecutorError, WasmdeployError
from wasmdeploy_driver.executor.assembly import Assembly
from wasmdeploy_driver.executor.calls import Call, Calls
from wasmdeploy_driver.executor.consoles import Consoles
from wasmdeploy_driver.executor.desk import Desk
from wasmdeploy_driver.executor.ending import Ending, unexpected
from wasmdeploy_driver.executor.idle import Idle
from wasmdeploy_driver.executor.launch import Launch
from wasmdeploy_driver.executor.listeners import Listeners
from wasmdeploy_driver.executor.parking import Wake
from wasmdeploy_driver.executor.run import tell_task
from wasmdeploy_driver.executor.work import Made, Work
from wasmdeploy_driver.secrets import Secret

# An executor that nobody tells to start ends itself: whoever made it has died.
_START_SECONDS = 60.0


class RunningTask:
    """Runs the guests, does what control calls ask for, writes the exit status."""

    def __init__(
        self, state: Path, launch: Launch, stem: Stem | None, control_socket: socket.socket, score: OwnScore
    ) -> None:
        self._state = state
        # Open from now on: the task's user cannot write there, or not even come there.
        directory = os.open(state, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._ending = Ending(directory)
        self._launch = launch
        self._listeners = Listeners()
        self._parts = Assembly(
            launch,
            directory,
            stem,
            tell=self._listeners.tell,
            failed=self._guest_failed,
            stuck=self._stuck,
        )
        self._consoles = Consoles(directory, launch, score)
        self._work = Work(self._ending, self._listeners.tell, self._guest_failed)
        self._started = False
        self._runs = False
        self._stopping = False
        self._idle: asyncio.Task[None] | None = None
        self._woken_in = 0.0
        self._calls = Calls(
            {
                "start": self._start,
                "token": self._token,
                "stop": self._stop,
                "signal": self._signal,
                "exec": self._exec,
                "inspect": self._inspect,
                "events": self._events,
            }
        )
        self._desk = Desk(control_socket, self._calls.connected)

    async def live(self, wake: Wake | None) -> None:
        """Answer calls until the task has ended; `wake` is there where it was parked."""
        if wake is not None:
            await self._awake(wake)
        await self._desk.open()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._terminate)
        loop.call_later(_START_SECONDS, self._give_up)
        self._expect_idleness()
        await self._ending.wait()
        self._listeners.finish()
        self._consoles.close()
        self._desk.close()
        await self._end_secrets()
        await self._calls.last_words()
        if self._parts.logs is not None:
            self._parts.logs.flush()

    def _terminate(self) -> None:
        self._calls.add(asyncio.ensure_future(self._drain(5.0)))

    def _give_up(self) -> None:
        if not self._started:
            self._ending.write(1, error="the executor was never told to start")

    # calls

    async def _start(self, call: Call) -> Mapping[str, Any]:
        if self._started:
            raise ExecutorError("the task has been started already")
        self._started = True
        starting = asyncio.ensure_future(self._bring_up(call.token))
        with self._listeners.listening() as listener:
            starting.add_done_callback(lambda _: listener.finish())
            await call.follow(listener, starting.cancel)
        return self._brought_up(starting)

    async def _token(self, call: Call) -> Mapping[str, Any]:
        if self._parts.keeper is not None:
            self._parts.keeper.take_token(call.token)
        return {}

    async def _stop(self, call: Call) -> Mapping[str, Any]:
        await self._drain(_seconds(call.request.get("timeout", 5.0)))
        return {}

    async def _signal(self, call: Call) -> Mapping[str, Any]:
        """Taking one without effect keeps Nomad from killing the task for it."""
        name = str(call.request.get("name"))
        if name == "SIGUSR1":
            self._tell_task(f"state: {json.dumps(self._facts())}")
            effect = "the task's state is in its stderr"
        elif name == "SIGHUP":
            effect = "guests take no signals; secrets are read again by themselves where `refresh` says so"
        else:
            effect = "guests take no signals"
        self._listeners.tell("signal", f"{name} was sent; {effect}")
        return {}

    async def _exec(self, call: Call) -> Mapping[str, Any]:
        if not self._runs or self._ending.is_written:
            raise ExecutorError("the task does not run: it has no console now")
        return await self._consoles.run(call.request, call.send, call.reader, call.has_hung_up)

    async def _inspect(self, _: Call) -> Mapping[str, Any]:
        return self._facts()

    async def _events(self, call: Call) -> Mapping[str, Any]:
        with self._desk.not_counted(), self._listeners.listening() as listener:
            await call.follow(listener, listener.finish)
        return {}

    def _facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = {"pid": os.getpid(), "state": "running" if self._runs else "starting"}
        if (address := self._work.address) is not None:
            facts["listen"] = "{}:{}".format(*address)
        if self._parts.keeper is not None:
            facts |= self._parts.keeper.facts()
        if (serving := self._work.app) is not None:
            app = serving.app
            if self._woken_in:
                facts["woken_in_ms"] = round(self._woken_in * 1000, 1)
            facts |= {"requests": app.requests, "failures": app.failures,
                      "in_flight": app.in_flight, "processes": 1 + app.processes}  # fmt: skip
        return facts | {"components": [component.name for component in self._launch.task.component]}

    # life

    async def _bring_up(self, token: Secret) -> Mapping[str, Any]:
        try:
            made = await self._parts.fresh(token)
            return await self._begin(made)
        except BaseException:
            await self._end_secrets()  # whoever hears of the failure kills this process
            raise
        finally:
            self._parts.close()

    def _brought_up(self, starting: asyncio.Future[Mapping[str, Any]]) -> Mapping[str, Any]:
        if not starting.done() or starting.cancelled():
            error = "was stopped" if self._ending.is_written else "was left by its caller"
            self._ending.write(1, error=f"the task {error} while it started")
            raise ExecutorError(f"the task {error} while it started")
        try:
            answer = starting.result()
        except WasmdeployError as error:
            self._ending.write(1, error=error.message)
            raise
        except Exception as error:  # whatever it is must be told, or the task would hang
            failure = unexpected("the task cannot be started", error)
            self._ending.write(1, error=failure.message)
            raise failure from error
        self._runs = True
        self._expect_idleness()
        return answer

    async def _awake(self, wake: Wake) -> None:
        """Go on with a task that was parked; what fails is its end."""
        self._started = True
        try:
            serving = await self._parts.resumed(wake)
            await self._begin(serving)
            for connection in wake.connections:
                with contextlib.suppress(OSError):  # its client has gone
                    await serving.front.adopt(socket.socket(fileno=connection))
            self._runs = True
            self._woken_in = time.monotonic() - wake.asked_at
        except WasmdeployError as error:
            self._ending.write(1, error=error.message)
        except Exception as error:  # noqa: BLE001  # whatever it is must be told, or the task would hang
            self._ending.write(1, error=unexpected("the task cannot be woken", error).message)
        self._parts.close()

    async def _begin(self, made: Made) -> Mapping[str, Any]:
        await self._work.begin(made)
        if self._parts.keeper is not None:
            app = self._work.app
            self._parts.keeper.keep(app.renew if app is not None else None)
        host, port = self._work.address or ("", 0)
        return {"pid": os.getpid(), "host": host, "port": port}

    async def _drain(self, timeout: float) -> None:
        self._stopping = True
        self._listeners.tell("stopping", f"draining for at most {timeout:g} s")
        if not await self._work.drain(timeout):
            self._listeners.tell("stopping", "requests or connections were still open")
            self._ending.write(0)

    async def _end_secrets(self) -> None:
        if self._parts.keeper is not None:
            await self._parts.keeper.close()

    # parking

    def _expect_idleness(self) -> None:
        """Park the app once it is idle, where its task says so."""
        serving = self._work.app
        if self._launch.holder is None or serving is None or self._idle is not None:
            return
        keeper = self._parts.keeper
        idle = Idle(
            serving,
            self._desk,
            str(self._state),
            seconds(self._launch.task.idle_timeout, "idle_timeout"),
            may=self._may_end,
            token=lambda: keeper.token if keeper is not None else Secret(""),
        )
        self._idle = asyncio.ensure_future(self._park(idle))

    def _may_end(self) -> bool:
        # Nobody would renew the leases of an app that is parked.
        leased = self._parts.keeper is not None and self._parts.keeper.has_leases
        return not (self._stopping or self._ending.is_written or leased)

    async def _park(self, idle: Idle) -> None:
        await idle.parked(self._listeners.tell)
        if self._parts.logs is not None:
            self._parts.logs.flush()
        sys.stderr.flush()
        os._exit(0)  # without an exit status: the task goes on

    # what the guests' keepers tell

    def _stuck(self) -> None:
        # A fresh process is all that helps against blocked threads; Nomad starts one.
        error = "every guest that may run at once is blocked past its time limit"
        self._listeners.tell("stuck", error)
        self._ending.write(1, error=error)

    def _guest_failed(self, name: str, detail: str) -> None:
        self._listeners.tell(name, detail)
        self._tell_task(f"{name}: {detail}")

    def _tell_task(self, text: str) -> None:
        (self._parts.logs.tell if self._parts.logs is not None else tell_task)(text)


def _seconds(value: object) -> float:
    try:
        seconds = float(value)  # type: ignore[arg-type]  # what is none raises
    except (TypeError, ValueError, OverflowError):
        seconds = -1.0
    if not 0 <= seconds < math.inf:
        raise ExecutorError(f"{str(value)[:80]!r} is no number of seconds")
    return seconds
