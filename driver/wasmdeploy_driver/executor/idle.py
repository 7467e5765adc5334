"""Parking an app that nobody asks: the holder gets what the next executor begins with, and this one ends.

The listener is shared with the holder before this process stops to accept, so that nobody is refused meanwhile, and a
request that comes in between keeps the app awake. Connections that are kept for the next request go to the holder, too.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Callable, Sequence

from wasmdeploy_driver.app.memfile import memory_file
from wasmdeploy_driver.errors import ExecutorError
from wasmdeploy_driver.executor.desk import Desk
from wasmdeploy_driver.executor.holder import MAX_MESSAGE, MOST_DESCRIPTORS, connect, decode, encode
from wasmdeploy_driver.executor.image import Image
from wasmdeploy_driver.executor.parking import Shelved, pack
from wasmdeploy_driver.executor.serve import Serving
from wasmdeploy_driver.secrets import Secret

_ANSWER_SECONDS = 10.0
# Of the loop: by then a connection that was accepted is one that the front, or the desk, knows of.
_TURNS = 20
_DISMISS_SECONDS = 1.0


class Idle:
    """Waits until an app has had no request for `timeout` seconds, and parks it.

    `state` names the task, `desk` takes its calls, which keep it awake as requests do; `may` says whether it may end,
    `token` is the task's Vault token then.
    """

    def __init__(
        self,
        serving: Serving,
        desk: Desk,
        state: str,
        timeout: float,
        *,
        may: Callable[[], bool],
        token: Callable[[], Secret],
    ) -> None:
        self._serving = serving
        self._timeout = timeout
        self._state = state
        self._desk = desk
        self._may = may
        self._token = token
        self._not_before = 0.0

    async def parked(self, tell: Callable[[str, str], None]) -> None:
        """Come back once the app is parked, for the process to end at once; `tell` hears why it cannot be."""
        while True:
            at = max(self._not_before, self._serving.app.asked_at + self._timeout)
            if (left := at - time.monotonic()) > 0:
                await asyncio.sleep(left)
                continue
            self._not_before = time.monotonic() + self._timeout
            try:
                if await self._park():
                    return
            except (OSError, ValueError, ExecutorError) as error:
                tell("parking", f"the app stays awake, no holder takes it: {error}")

    @property
    def _quiet(self) -> bool:
        return self._serving.idle and self._desk.is_quiet and self._may()

    async def _park(self) -> bool:
        if not self._quiet:
            return False
        if self._serving.front.dismiss():
            self._not_before = time.monotonic() + min(self._timeout, _DISMISS_SECONDS)
            return False
        image = self._serving.image
        if image.launch.holder is None:
            raise ExecutorError("the plugin names none")
        content = memory_file(pack(image.to_bytes(), self._token()), sealed=True)
        try:
            with connect(image.launch.holder) as holder, self._serving.listener.dup() as listener:
                await self._hand_over(holder, listener, content, image)
                self._serving.front.pause()
                self._desk.close()
                for _ in range(_TURNS):
                    await asyncio.sleep(0)
                if self._quiet and not self._serving.front.dismiss():
                    self._keep(holder, self._serving.front.release())
                    return True
                self._serving.listener = listener.dup()
                await self._serving.front.resume(self._serving.listener)
                await self._desk.open()
                holder.send(encode({"unpark": self._state}))
                return False
        finally:
            os.close(content)

    async def _hand_over(
        self, holder: socket.socket, listener: socket.socket, content: int, image: Image
    ) -> None:
        shelved = Shelved(self._desk.fileno(), listener.fileno(), 1, 2, content, image.descriptors)
        app = self._serving.app
        holder.setblocking(False)
        socket.send_fds(
            holder,
            [encode({"park": self._state, "health": [app.checked.decode(), app.health]})],
            shelved.descriptors,
        )
        loop = asyncio.get_running_loop()
        answer = await asyncio.wait_for(loop.sock_recv(holder, MAX_MESSAGE), _ANSWER_SECONDS)
        if not answer or decode(answer).get("held") != self._state:
            raise ExecutorError("it hung up")

    def _keep(self, holder: socket.socket, connections: Sequence[int]) -> None:
        # A holder that dies just now costs these connections; the listener is with its second process.
        with contextlib.suppress(OSError):
            for at in range(0, len(connections), MOST_DESCRIPTORS):
                part = connections[at : at + MOST_DESCRIPTORS]
                socket.send_fds(holder, [encode({"keep": self._state})], part)
