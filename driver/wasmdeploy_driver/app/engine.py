"""An engine process as the front sees it: a worker at the other end of a socket.

The socket keeps messages apart (SOCK_SEQPACKET). First the process says `ready PID`, with a descriptor of itself;
then it gets a call and answers with its outcome, in turns. Trailers may follow a call whose body comes through a pipe.
It has ended when the socket has.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import socket
import time
from collections.abc import Callable

from wasmdeploy_driver.app.worker import Ended, StateFile, WorkerGone
from wasmdeploy_driver.guest.call import Call, Outcome, Stdin, Trailers, encode_trailers

MAX_MESSAGE = 192 << 10
READY = b"ready "
_CPU_CLOCK = 2  # of the clocks that Linux has for each process (clock_getcpuclockid(3))


class EngineWorker:
    """Runs guests in a process of their own; `changed` is called when it became ready, and when it has ended."""

    process = True

    def __init__(
        self, connection: socket.socket, stdout: int, changed: Callable[[EngineWorker], None]
    ) -> None:
        self.stdout = stdout
        self.spoiled = False
        self.ready = False
        self.gone = False
        self.idle_since = 0.0
        self._connection = connection
        self._changed = changed
        self._process = -1
        self._stdin = -1  # a memory file for stdin that is no message, kept: new pages cost more than copying
        self._clock = -1
        self._state: StateFile | None = None
        self._ended: Ended | None = None
        # What the process had for its guests is gone with it; most often the memory of the task ran out.
        self._killed = Outcome("the guest's process ended with it: the task may have run out of memory")
        self._loop = asyncio.get_running_loop()
        connection.setblocking(False)
        self._loop.add_reader(connection, self._readable)

    def start(self, call: Call, ended: Ended, stdin: Stdin = Stdin.MESSAGE, descriptor: int = -1) -> None:
        """Run the call; `ended` is called in the event loop. A `descriptor` of stdin is the caller's to close.

        Raises WorkerGone.
        """
        self._ended = ended
        try:
            message = call.encode(stdin)
            if descriptor >= 0:
                socket.send_fds(self._connection, [message], [descriptor])
            elif len(message) <= MAX_MESSAGE:
                self._connection.send(message)
            else:
                self._send_as_file(call)
        except (BrokenPipeError, ConnectionResetError) as error:
            self._ended = None
            self._loop.call_soon(self._lost)
            raise WorkerGone from error
        except OSError:
            self._loop.call_soon(self._lost)

    def _send_as_file(self, call: Call) -> None:
        if self._stdin < 0:
            self._stdin = os.memfd_create("stdin", os.MFD_CLOEXEC)
        if os.pwrite(self._stdin, call.stdin, 0) < len(call.stdin):
            raise OSError(errno.ENOMEM, "no memory for the request")
        socket.send_fds(self._connection, [call.encode(Stdin.FILE)], [self._stdin])

    def tell_trailers(self, trailers: Trailers) -> None:
        """Say what follows the body that came through the pipe, before the pipe is closed."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # `_lost` comes
            self._connection.send(encode_trailers(trailers))

    def _readable(self) -> None:
        try:
            message = self._connection.recv(MAX_MESSAGE) if self.ready else self._introduction()
        except BlockingIOError:
            return
        except OSError:
            message = b""
        if not message:
            self._lost()
        elif not self.ready:
            number = int(message.removeprefix(READY))
            self._clock = ~number << 3 | _CPU_CLOCK
            self._state = StateFile(f"/proc/{number}/stat")
            self.ready = True
            self._changed(self)
        else:
            self._take(message)

    def _introduction(self) -> bytes:
        message, descriptors, _, _ = socket.recv_fds(self._connection, MAX_MESSAGE, 1)
        if descriptors:
            self._process = descriptors[0]
        return message

    def _take(self, message: bytes) -> None:
        try:
            outcome = Outcome.decode(message)
        except (ValueError, KeyError, TypeError):
            self.kill(Outcome("the guest's process said what nobody understands"))
            return
        if (ended := self._ended) is not None:
            self._ended = None
            ended(outcome)

    def _lost(self) -> None:
        if self.gone:
            return
        self.gone = self.spoiled = True
        self._loop.remove_reader(self._connection)
        self._connection.close()
        if (ended := self._ended) is not None:
            self._ended = None
            ended(self._killed)
        if self.stdout >= 0:
            os.close(self.stdout)
            self.stdout = -1
        for descriptor in (self._process, self._stdin):
            if descriptor >= 0:
                os.close(descriptor)
        if self._state is not None:
            self._state.close()
        self._changed(self)

    def computed(self) -> float:
        """Seconds for which the process has computed in all."""
        try:
            return time.clock_gettime(self._clock)
        except OSError:  # it has ended
            return 0.0

    def sleeps(self) -> bool:
        """Whether the guest that runs waits for something else than a processor."""
        return self._state is not None and self._state.sleeps()

    def mute(self) -> None:
        """Nobody reads what the guest that runs still writes: its next write fails."""
        self.spoiled = True
        if self.stdout >= 0:
            os.close(self.stdout)
            self.stdout = -1

    def kill(self, outcome: Outcome) -> None:
        """End the process, and the guest that runs in it with this outcome."""
        self._killed = outcome
        self.close()

    def close(self) -> None:
        """End the process."""
        self.spoiled = True
        if self._process >= 0 and not self.gone:
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(self._process, signal.SIGKILL)
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
