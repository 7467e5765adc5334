"""The handle of one task, watched in this process."""

import asyncio
import errno
import os
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


def test_an_end_without_a_look_at_the_process_table(tmp_path, monkeypatch):
    """Where nobody can see what else is to be ended, the task's end is told all the same."""

    def no_descriptors(leader):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(handle, "end_session", no_descriptors)

    async def scenario(pid):
        process = identify(pid)
        state = State(pid, process.start_time, process.boot_id, tmp_path, time.time(), "", 0)
        task = Handle("task", state, lambda name, detail: None, NeverParked())
        async with asyncio.timeout(60):
            await task.kill()
        assert task.exit is not None
        await task.close()

    with subprocess.Popen(["sleep", "600"], start_new_session=True) as child:
        asyncio.run(scenario(child.pid))
