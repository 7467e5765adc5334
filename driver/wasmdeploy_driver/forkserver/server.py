"""The loop of the fork server, and the first moments of an executor that it forked."""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from wasmdeploy_driver.executor.title import show_arguments
from wasmdeploy_driver.forked import close_all_but, end_after, start_time
from wasmdeploy_driver.forkserver.message import DESCRIPTORS, MAX_MESSAGE, decode, encode

# Runs the task of a state directory, whose control socket listens already, and gives the exit status.
Executor = Callable[[list[str], socket.socket | None], int]


def serve(connection: socket.socket, executor: Executor) -> None:
    """Fork an executor for each request, and tell the end of each, until the plugin has gone."""
    if len(list(Path("/proc/self/task").iterdir())) != 1:
        raise RuntimeError("a process with threads cannot be forked safely")
    for ignored in (signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    waking, woken = socket.socketpair()
    for end in (waking, woken):
        end.setblocking(False)
    signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    gc.collect()
    gc.freeze()  # pages that the collector does not write stay shared
    poll = select.poll()
    for each in (connection, waking):
        poll.register(each, select.POLLIN)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        while True:
            ready = {descriptor for descriptor, _ in poll.poll()}
            if waking.fileno() in ready:
                with contextlib.suppress(BlockingIOError):
                    waking.recv(4096)
                _tell_ends(connection)
            if connection.fileno() in ready:
                message, descriptors, _, _ = socket.recv_fds(connection, MAX_MESSAGE, DESCRIPTORS)
                if not message:
                    return
                connection.send(_forked(message, descriptors, (connection, waking, woken), executor))


def _tell_ends(connection: socket.socket) -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            connection.send(encode({"ended": pid, "status": os.waitstatus_to_exitcode(status)}))


def _forked(
    message: bytes, descriptors: list[int], own: tuple[socket.socket, ...], executor: Executor
) -> bytes:
    log, control = descriptors
    pid, failure = -1, 0
    try:
        pid = os.fork()
    except OSError as error:
        failure = error.errno or 0
    if not pid:
        end_after(lambda: _live(decode(message)["state"], log, control, own, executor))
    for descriptor in descriptors:
        os.close(descriptor)
    if failure:
        return encode({"error": failure})
    # Nobody but this process could reap it, so it is still this very one.
    return encode({"forked": pid, "start_time": start_time(pid)})


def _live(state: str, log: int, control: int, own: tuple[socket.socket, ...], executor: Executor) -> int:
    """Become an executor: the same as the program that `spawn` starts."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    for each in own:
        each.close()
    os.setsid()
    show_arguments((sys.executable, "-I", "-m", "wasmdeploy_driver.executor", state))
    os.dup2(log, 1)
    os.dup2(log, 2)
    with socket.socket(fileno=os.dup2(control, 3, inheritable=False)) as listener:
        close_all_but({3})
        return executor([state], listener)
