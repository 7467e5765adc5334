"""The stem: a small process that forks engine processes in milliseconds.

A process with threads cannot be forked safely, so the stem forks off before any thread has started, with all modules
loaded and no engine made; it may be told later whose it is. It runs no guest and holds no secret: what an engine
process needs comes in a memory file. One that has died is replaced by a fresh program.

A request is one message with the descriptors of: the engine's socket, its output pipe, the task's stderr, what is to be
loaded (a memory file), and more for `load`. There is no answer: the engine speaks for itself.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from wasmdeploy_driver.app.memfile import whole
from wasmdeploy_driver.app.process import Load, end_with, live
from wasmdeploy_driver.forked import MOST_DESCRIPTORS, close_all_but, end_after, fork, write_to

_FULL_SECONDS = 0.5
_MOST_TASK = 4096  # bytes of a path
_BEGUN = b"begun"
# Gives up what the stem of a task is to be without; whether it could.
Begin = Callable[[str, list[int]], bool]


class Stem:
    """The front's end of it; `program` is the command that a stem is started anew with, the socket's number added."""

    def __init__(self, connection: socket.socket, program: Sequence[str]) -> None:
        self._connection = connection
        self._program = tuple(program)
        self._child: subprocess.Popen[bytes] | None = None
        self._forked = 0

    @classmethod
    def fork(cls, load: Load, program: Sequence[str], begin: Begin | None = None) -> Stem:
        """Fork the stem off this process, which has one thread; `begin` is called in it with what `tell` says."""
        child, connection = fork()
        if not child:
            end_after(lambda: _live(connection, load, begin))
        stem = cls(connection, program)
        stem._forked = child
        return stem

    def tell(self, task: str, descriptors: Sequence[int]) -> None:
        """Say what it is to `begin` with; the first descriptor is where its words go from now on."""
        with contextlib.suppress(OSError):  # it has died: `has_begun` knows
            socket.send_fds(self._connection, [task.encode()], descriptors)

    def has_begun(self) -> bool:
        """Wait until it has done what it was told, and say whether it could."""
        with contextlib.suppress(OSError):
            return self._connection.recv(len(_BEGUN)) == _BEGUN
        return False

    def engine(self, connection: socket.socket, output: int, image: int, descriptors: Sequence[int]) -> None:
        """Have an engine process forked that answers on `connection`; raises OSError where no stem can be had."""
        parts = (connection.fileno(), output, 2, image, *descriptors)
        try:
            socket.send_fds(self._connection, [b"fork"], parts)
        except (BrokenPipeError, ConnectionResetError):
            self._replace()
            socket.send_fds(self._connection, [b"fork"], parts)

    def _replace(self) -> None:
        self._connection.close()
        if self._forked:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self._forked, os.WNOHANG)
            self._forked = 0
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._connection = ours
        with theirs:
            self._start(theirs)

    def _start(self, theirs: socket.socket) -> None:
        self._child = subprocess.Popen(
            (*self._program, str(theirs.fileno())), pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL
        )

    def close(self) -> None:
        """Let it end; the engine processes live on."""
        self._connection.close()

    def end(self) -> None:
        """Let one end that has made nothing, and wait for it."""
        self.close()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._forked, 0)


def _live(connection: socket.socket, load: Load, begin: Begin | None) -> int:
    close_all_but({connection.fileno()})
    if begin is not None:
        task, descriptors, _, _ = socket.recv_fds(connection, _MOST_TASK, MOST_DESCRIPTORS)
        if not task:
            return 0  # there is none for it
        log, *more = descriptors
        write_to(log)
        if not begin(task.decode(), more):
            return 1
        connection.send(_BEGUN)
    serve(connection, load)
    return 0


def serve(connection: socket.socket, load: Load) -> None:
    """Fork an engine process for every request, until the front has gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the engines: their sockets tell
    gc.collect()
    gc.freeze()  # pages that the collector does not write stay shared
    while True:
        message, descriptors, _, _ = socket.recv_fds(connection, 64, MOST_DESCRIPTORS)
        if not message:
            return
        try:
            child = os.fork()
        except OSError as error:  # the task has as many processes as it may; its other ones go on
            sys.stderr.write(f"no engine process can be forked: {error.strerror}\n")
            sys.stderr.flush()
            time.sleep(_FULL_SECONDS)  # the front asks again as soon as it sees that this one is none
            child = -1
        if not child:
            connection.close()
            _engine(descriptors, load)
        for descriptor in descriptors:
            os.close(descriptor)


def _engine(descriptors: list[int], load: Load) -> None:
    status = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        number, output, stderr, image, *more = descriptors
        os.dup2(stderr, 2)
        os.close(stderr)
        content = whole(image)
        os.close(image)
        with socket.socket(fileno=number) as front:
            live(front, output, lambda: load(content, more, end_with(front)))
        status = 0
    except BaseException as error:  # noqa: BLE001  # nothing of a child may run the stem's code
        with contextlib.suppress(Exception):
            sys.stderr.write(f"wasmdeploy: an engine process failed: {type(error).__name__}: {error}\n")
            sys.stderr.flush()
    finally:
        os._exit(status)
