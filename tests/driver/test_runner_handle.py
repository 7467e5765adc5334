"""The handle of one task, watched in this process."""

import asyncio
import errno
import os
import signal
import subprocess
import time

from wasmdeploy_driver.runner import handle
from wasmdeploy_driver.runner.handle import Handle
from wasmdeploy_driver.runner.process import identify
from wasmdeploy_driver.runner.state import State


class NeverParked:
    """No holder has anything of the task."""

    async def drop(self, directory):
        return False

    async def next(self, directory, process, parked):
        return None

    def forget(self, directory):
        pass


def no_descriptors(*_):
    """What the system says where this process has as many open as it may."""
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def handle_of(pid, directory):
    """The handle of a task whose executor this is."""
    process = identify(pid)
    state = State(pid, process.start_time, process.boot_id, directory, time.time(), "", 0)
    return Handle("task", state, lambda name, detail: None, NeverParked())


def test_an_end_without_a_look_at_the_process_table(tmp_path, monkeypatch):
    """Where nobody can see what else is to be ended, the task's end is told all the same."""
    monkeypatch.setattr(handle, "end_session", no_descriptors)

    async def scenario(pid):
        task = handle_of(pid, tmp_path)
        async with asyncio.timeout(60):
            await task.kill()
        assert task.exit is not None
        await task.close()

    with subprocess.Popen(["sleep", "600"], start_new_session=True) as child:
        asyncio.run(scenario(child.pid))


def test_what_cannot_be_looked_at_has_not_ended(tmp_path, monkeypatch):
    """A task whose executor nobody can look at for a while goes on, and its end is heard of afterwards."""
    monkeypatch.setattr(handle, "_AGAIN", 0.01)
    real, asked = os.pidfd_open, []

    async def scenario(pid):
        monkeypatch.setattr(os, "pidfd_open", lambda *a: asked.append(a) or no_descriptors())
        task = handle_of(pid, tmp_path)
        async with asyncio.timeout(60):
            while len(asked) < 3:
                await asyncio.sleep(0.01)
            assert task.exit is None
            monkeypatch.setattr(os, "pidfd_open", real)
            await task.kill()
        await task.close()

    with subprocess.Popen(["sleep", "600"], start_new_session=True) as child:
        asyncio.run(scenario(child.pid))
        assert child.wait() == -signal.SIGKILL
