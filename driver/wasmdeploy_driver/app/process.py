"""An engine process from within: it answers calls until nobody asks any more.

It has one thread that runs guests, and the clock's. Nobody but the front that it belongs to can reach it.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
from collections.abc import Callable, Sequence

from wasmdeploy_driver.app.engine import MAX_MESSAGE, READY
from wasmdeploy_driver.app.oom import ENGINE_SCORE, volunteer
from wasmdeploy_driver.app.worker import Run
from wasmdeploy_driver.guest.call import Call, Outcome, Stdin, Trailers, decode_trailers

# Makes the guests from the bytes and descriptors that the front gave along; the last is called while a guest runs.
Load = Callable[[bytes, Sequence[int], Callable[[], None]], Run]
# A run leaves hardly any cycles, and looking for them costs more than it does.
_COLLECT_AFTER = 50_000


def live(connection: socket.socket, output: int, load: Callable[[], Run]) -> None:
    """Load the guests, then answer calls; returns when the front has gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the front's business, which drains
    volunteer(ENGINE_SCORE)
    run = load()
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)
    with contextlib.suppress(BrokenPipeError):
        process = os.pidfd_open(os.getpid())
        socket.send_fds(connection, [READY + b"%d" % os.getpid()], [process])
        os.close(process)
        stdout = f"/proc/self/fd/{output}"
        more = select.poll()
        more.register(connection, select.POLLIN)
        while True:
            message, descriptors, _, _ = socket.recv_fds(connection, MAX_MESSAGE, 1)
            if not message:
                return
            if decode_trailers(message) is not None:
                continue  # the guest whose request's they were has ended without asking
            call, stdin = Call.decode(message)
            connection.send(_answer(run, call, stdin, descriptors, stdout, front=connection).encode())
            run.tidy(call.component)
            if not more.poll(0):
                # Nobody waits: the next fresh instance is made now, and not when its request has come.
                run.prepare(call.component)


def _answer(
    run: Run, call: Call, stdin: Stdin, descriptors: list[int], stdout: str, *, front: socket.socket
) -> Outcome:
    if stdin is Stdin.MESSAGE:
        return run(call, stdout, "")
    try:
        if stdin is Stdin.FILE:
            return run(call.from_file(lambda size: os.pread(descriptors[0], size, 0)), stdout, "")
        return run(call, stdout, f"/proc/self/fd/{descriptors[0]}", lambda: _late_trailers(front))
    finally:
        os.close(descriptors[0])


def _late_trailers(front: socket.socket) -> Trailers:
    """Those behind a body whose pipe has ended: where there are any, they were sent before that."""
    try:
        return decode_trailers(front.recv(MAX_MESSAGE, socket.MSG_DONTWAIT)) or ()
    except BlockingIOError:
        return ()


def end_with(connection: socket.socket) -> Callable[[], None]:
    """What looks, while a guest runs, whether the front is still there, and ends the process when it is not."""
    hung_up = select.poll()
    hung_up.register(connection, select.POLLRDHUP)

    def look() -> None:
        if hung_up.poll(0):
            os._exit(1)

    return look
