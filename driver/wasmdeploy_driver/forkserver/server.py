"""The loop of the fork server, and the first moments of an executor that it forked."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

from wasmdeploy_driver.executor import netns
from wasmdeploy_driver.executor.beginning import Beginning
from wasmdeploy_driver.executor.parking import Wake
from wasmdeploy_driver.executor.title import show_executor
from wasmdeploy_driver.forked import close_all_but, end_after, start_time, write_to
from wasmdeploy_driver.forkserver.message import DESCRIPTORS, MAX_MESSAGE, decode, encode
from wasmdeploy_driver.forkserver.preload import settle
from wasmdeploy_driver.forkserver.spare import Spare, begin

# Runs the task of a state directory, whose control socket listens already, and gives the exit status.
Executor = Callable[[list[str], socket.socket | None, Wake | None, Beginning | None, Sequence[int]], int]


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
    spare = Spare(lambda message, descriptors, beginning: _become(message, descriptors, executor, beginning))
    settle()
    poll = select.poll()
    for each in (connection, waking):
        poll.register(each, select.POLLIN)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        while True:
            wait = spare.wait
            ready = {descriptor for descriptor, _ in poll.poll(None if wait is None else wait * 1000)}
            if waking.fileno() in ready:
                with contextlib.suppress(BlockingIOError):
                    waking.recv(4096)
                _tell_ends(connection, spare)
            if connection.fileno() in ready:
                message, descriptors, _, _ = socket.recv_fds(
                    connection, MAX_MESSAGE, DESCRIPTORS, socket.MSG_CMSG_CLOEXEC
                )
                if not message:
                    return
                connection.send(_forked(message, descriptors, spare, executor))
            if not ready:
                spare.renew()


def _tell_ends(connection: socket.socket, spare: Spare) -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            if not spare.has_ended(pid):
                connection.send(encode({"ended": pid, "status": os.waitstatus_to_exitcode(status)}))


def _forked(message: bytes, descriptors: list[int], spare: Spare, executor: Executor) -> bytes:
    pid, failure = _given(message, descriptors, spare), 0
    if not pid:
        try:
            pid = os.fork()
        except OSError as error:
            failure = error.errno or 0
        if not pid and not failure:
            end_after(lambda: _live(message, descriptors, executor))
    for descriptor in descriptors:
        os.close(descriptor)
    if failure:
        return encode({"error": failure})
    # Nobody but this process could reap it, so it is still this very one.
    return encode({"forked": pid, "start_time": start_time(pid)})


def _given(message: bytes, descriptors: list[int], spare: Spare) -> int:
    namespace = netns.of(Path(decode(message)["state"]))
    pid = spare.take(message, [*descriptors, *namespace])
    for each in namespace:
        os.close(each)
    return pid


def _live(message: bytes, descriptors: list[int], executor: Executor) -> int:
    """Become an executor: the same as the program that `spawn` starts."""
    begin()
    close_all_but(descriptors)
    return _become(message, descriptors, executor)


def _become(
    message: bytes, descriptors: list[int], executor: Executor, beginning: Beginning | None = None
) -> int:
    log, control, *namespace = descriptors
    state = decode(message)["state"]
    show_executor(state)
    write_to(log)
    with socket.socket(fileno=control) as listener:
        return executor([state], listener, None, beginning, namespace)
