"""A process with secrets leaves no picture of its memory."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

from tests.driver.executor_process import Executor, app
from tests.driver.go_guests import go_guest


@pytest.mark.guests
def test_an_executor_that_crashes(tmp_path):
    """It leaves no core file."""
    with Executor(tmp_path, app(go_guest()), go_guest()) as executor:
        executor.start()
        for each in (psutil.Process(executor.process.pid), executor.stem()):
            assert each.rlimit(psutil.RLIMIT_CORE) == (0, 0)
        executor.process.send_signal(signal.SIGABRT)
        _, status = os.waitpid(executor.process.pid, 0)
        executor.process.returncode = -os.WTERMSIG(status)  # nobody is left to wait for
        assert os.WTERMSIG(status) == signal.SIGABRT
        assert not os.WCOREDUMP(status)


def test_the_kernel_is_told_so():
    """Where cores are piped to a program the limit means nothing: the process, and what is forked off it, has none."""
    program = (
        "import ctypes, os\n"
        "from wasmdeploy_driver.isolation import privileges\n"
        "privileges.hide()\n"
        "child = os.fork()\n"
        "os.write(1, b'%d\\n' % ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))\n"  # PR_GET_DUMPABLE
        "if child: os.waitpid(child, 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n0\n"
