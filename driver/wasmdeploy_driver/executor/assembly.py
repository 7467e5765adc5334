"""A task's parts, put together in the order that its confinement asks for."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from typing import TypeVar

from wasmdeploy_driver.app.memfile import whole
from wasmdeploy_driver.app.stem import Stem
from wasmdeploy_driver.app.worker import GuestThread
from wasmdeploy_driver.errors import ExecutorError
from wasmdeploy_driver.executor import cgroup, confine
from wasmdeploy_driver.executor.external.compile import ExternalGuest, compile_external
from wasmdeploy_driver.executor.external.serving import ExternalServing, external_command
from wasmdeploy_driver.executor.files import open_dirs
from wasmdeploy_driver.executor.image import Compiled, Image
from wasmdeploy_driver.executor.keeper import Keeper
from wasmdeploy_driver.executor.launch import Launch
from wasmdeploy_driver.executor.logs import Logs
from wasmdeploy_driver.executor.parking import Wake, unpack
from wasmdeploy_driver.executor.prepare import Guests, compile_all, load_command, load_guests
from wasmdeploy_driver.executor.run import take_input, take_streams
from wasmdeploy_driver.executor.serve import Serving, listen
from wasmdeploy_driver.executor.work import Made, Notify
from wasmdeploy_driver.guest.preopen import Preopen
from wasmdeploy_driver.secrets import Secret
from wasmdeploy_driver.variables import Values

T = TypeVar("T")


class Assembly:
    """Makes what a task runs, once: freshly, or from what was left of it when it was parked.

    `directory` is the task's state directory; `tell` hears of events, `failed` of guests that fail, `stuck` is
    called once no guest can run any more.
    """

    def __init__(
        self,
        launch: Launch,
        directory: int,
        stem: Stem | None,
        *,
        tell: Notify,
        failed: Notify,
        stuck: Callable[[], None],
    ) -> None:
        self.logs: Logs | None = None
        self.keeper: Keeper | None = None
        self._launch = launch
        self._directory = directory
        self._stem = stem
        self._tell = tell
        self._failed = failed
        self._stuck = stuck
        self._loop = asyncio.get_running_loop()
        # An app goes on with the thread of its start: the memory that this has touched is of use again.
        self._thread = GuestThread()
        self._thread_serves = False

    def close(self) -> None:
        """End the thread of the start, once all is made, where nothing goes on with it."""
        if not self._thread_serves:
            self._thread.close()

    async def fresh(self, token: Secret) -> Made:
        """Make a task that starts; raises WasmdeployError."""
        launch, notify = self._launch, self._notify
        self.logs = take_streams(launch)
        take_input(launch)
        compiled, external = await self._apart(
            lambda: (compile_all(launch, notify), compile_external(launch, notify))
        )
        if launch.cgroup is not None:
            cgroup.join(launch.cgroup, launch.id)
        self.keeper = Keeper(launch, token, notify)
        if not launch.task.secrets:
            values = self.keeper.read()
        else:
            values = await self._apart(self.keeper.read)
            count = len(launch.task.secrets)
            self._tell("secrets", f"{count} secret{'' if count == 1 else 's'} read from Vault")
        if launch.task.module:
            dirs = open_dirs(launch, launch.task.dir)
            code = compiled[""].descriptor
            return await self._confined((code,), dirs, load_command, launch, compiled[""], values, dirs)
        return await self._fresh_app(compiled, external, values)

    async def resumed(self, wake: Wake) -> Serving:
        """Make an app that goes on; raises WasmdeployError."""
        shelved, launch = wake.shelved, self._launch
        self.logs = take_streams(launch, (shelved.stdout, shelved.stderr))
        if launch.cgroup is not None:
            cgroup.join(launch.cgroup, launch.id)
        content, token = unpack(whole(shelved.image))
        os.close(shelved.image)
        # Its own words on what it may: those that the executor before it left were in a guest's reach.
        image = replace(Image.from_bytes(content, shelved.compiled), launch=launch)
        self.keeper = Keeper(launch, token, self._notify)
        self.keeper.resume(image.values)
        return await self._serving(image, socket.socket(fileno=shelved.listener))

    async def _fresh_app(
        self, compiled: Mapping[str, Compiled], external: ExternalGuest | None, values: Values
    ) -> Serving | ExternalServing:
        launch = self._launch
        image = Image.opened(launch, compiled, values)
        listener = listen(launch.host, launch.port)  # which the task's user may not be able to
        if external is not None:
            command = external_command(launch, external, values, image.preopens)
            await self._confined((external.code,), image.preopens, lambda: None)
            return ExternalServing(command, listener)
        return await self._serving(image, listener)

    async def _serving(self, image: Image, listener: socket.socket) -> Serving:
        if self._stem is None:
            raise ExecutorError("the executor of an app has no stem")
        code = (each.descriptor for each in image.compiled.values())
        guests = await self._confined(code, image.preopens, self._guests, image, self._stem)
        serving = Serving(
            image, guests, self._stem, listener, self._failed, stuck=self._stuck, thread=self._thread
        )
        self._thread_serves = True
        return serving

    def _guests(self, image: Image, stem: Stem) -> Guests:
        if not stem.has_begun():  # before a guest runs, it is as confined as this process
            raise ExecutorError("the stem of engine processes could not begin: see the executor's log")
        return load_guests(image)

    async def _confined(
        self, code: Iterable[int], dirs: Iterable[Preopen], load: Callable[..., T], *arguments: object
    ) -> T:
        """Load guests once what that and running them needs no more is given up; each thread does so for itself."""
        if self._launch.isolation is None:
            return await self._apart(load, *arguments)
        settled = confine.Settled(self._launch, self._launch.isolation, self._directory, code, dirs)

        def settle_and_load() -> T:
            settled()
            return load(*arguments)

        try:
            settled()
            return await self._apart(settle_and_load)
        finally:
            settled.close()

    async def _apart(self, work: Callable[..., T], *arguments: object) -> T:
        """Do it in the thread of the start: calls are answered meanwhile."""
        done: Future[T] = Future()

        def do() -> None:
            if not done.set_running_or_notify_cancel():
                return
            try:
                done.set_result(work(*arguments))
            except BaseException as error:  # noqa: BLE001  # it is the caller's
                done.set_exception(error)

        self._thread.do(do)
        return await asyncio.wrap_future(done)

    def _notify(self, name: str, detail: str) -> None:
        self._loop.call_soon_threadsafe(self._tell, name, detail)
