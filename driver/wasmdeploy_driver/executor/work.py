"""What a task does from its start to its end: its front serves, or its command runs."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

from wasmdeploy_driver.errors import ExecutorError, GuestError, GuestTrap
from wasmdeploy_driver.executor.ending import Ending, unexpected
from wasmdeploy_driver.executor.external.serving import ExternalServing
from wasmdeploy_driver.executor.listeners import MAX_DETAIL
from wasmdeploy_driver.executor.prepare import Command
from wasmdeploy_driver.executor.run import guest_thread, run
from wasmdeploy_driver.executor.serve import Serving

Made = Command | Serving | ExternalServing
Notify = Callable[[str, str], None]


class Work:
    """Runs what was made for a task, once, and writes how it ended; `failed` hears of guests that fail."""

    def __init__(self, ending: Ending, tell: Notify, failed: Notify) -> None:
        self._ending = ending
        self._tell = tell
        self._failed = failed
        self._serving: Serving | ExternalServing | None = None
        self._runs: asyncio.Task[None] | None = None

    @property
    def app(self) -> Serving | None:
        """What answers in processes of ours; None where nothing does."""
        return self._serving if isinstance(self._serving, Serving) else None

    @property
    def address(self) -> tuple[str, int] | None:
        """Where it serves, host and port."""
        return self._serving.address if self._serving is not None else None

    async def begin(self, made: Made) -> None:
        """Run it, and return once it serves; raises WasmdeployError where it does not come to that."""
        if not isinstance(made, Serving | ExternalServing):
            self._runs = asyncio.ensure_future(self._run(made))
            return
        self._serving = made
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._runs = asyncio.ensure_future(self._serve(made, ready))
        await asyncio.wait((ready, self._runs), return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            self._runs.result()
            raise ExecutorError("the HTTP front ended before it served")

    async def drain(self, timeout: float) -> bool:
        """Let requests under way end within `timeout` seconds; False where some did not."""
        if self._serving is not None:
            return await self._serving.stop(timeout)
        self._ending.write(128 + signal.SIGTERM, signal_number=signal.SIGTERM)
        return True

    async def _serve(self, serving: Serving | ExternalServing, ready: asyncio.Future[None]) -> None:
        try:
            await serving.run(lambda: ready.set_result(None))
        except GuestError as error:
            if not ready.done():
                raise  # whoever asked for the start is told
            self._failed("ended", error.message)
            self._ending.write(1, error=error.message)
        except Exception as error:  # noqa: BLE001  # whatever ends the front must be told, or the task would hang
            self._ending.write(1, error=unexpected("the HTTP front failed", error).message)
        else:
            self._ending.write(0)

    async def _run(self, command: Command) -> None:
        # In a thread of its own, so that calls are answered while the guest runs.
        try:
            self._ending.write(await asyncio.get_running_loop().run_in_executor(guest_thread(), run, command))
        except GuestTrap as error:
            from wasmdeploy_driver.guest.sandbox import first_line

            reason = first_line(error)[:MAX_DETAIL]
            self._tell("trap", reason)
            self._ending.write(error.exit_code, error=reason)
        except Exception as error:  # noqa: BLE001  # whatever it is must be told, or the task would hang
            self._ending.write(1, error=unexpected("the command cannot be run", error).message)
