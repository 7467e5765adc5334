"""The holder's process that acts: it takes parked tasks, answers health checks, and forks an executor for the first
who asks for more. The other process has the same descriptors, and acts once this one has died.

    arriving ── its executor ends ──▶ parked ── a request, a call ──▶ waking ── forked ──▶ gone

A change is sent to the other process first: what is in its queue outlives the sender.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wasmdeploy_driver.executor import control
from wasmdeploy_driver.executor.holder import MAX_MESSAGE, MOST_DESCRIPTORS, decode, encode
from wasmdeploy_driver.forked import start_time
from wasmdeploy_driver.holder.borrowed import listens
from wasmdeploy_driver.holder.caller import Caller
from wasmdeploy_driver.holder.callers import Callers
from wasmdeploy_driver.holder.clients import Clients
from wasmdeploy_driver.holder.holdings import Held, Holdings, close
from wasmdeploy_driver.holder.pair import Following, Second
from wasmdeploy_driver.holder.wake import Executor, Waker, record, recorded, take_lock
from wasmdeploy_driver.holder.watch import Watch

_TICK = 1.0  # only where something waits
_TIDY_SECONDS = 30.0
_IDLE_SECONDS = 10.0  # after which it ends where nobody needs it
_AGAIN_SECONDS = 0.2  # after an executor that could not be forked


def hold(door: socket.socket, lock: int, executor: Executor) -> None:
    """Hold for ever, together with a second process; `door` takes callers, `lock` is kept open."""
    holdings = Holdings()
    while True:
        # Comes back in a process that was forked as the second, which follows until the first has died.
        connection = Leader(door, lock, holdings, executor).lead()
        with connection:
            _follow(connection, holdings)


def _follow(connection: socket.socket, holdings: Holdings) -> None:
    with contextlib.suppress(ConnectionResetError):
        while True:
            message, descriptors, _, _ = socket.recv_fds(
                connection, MAX_MESSAGE, MOST_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC
            )
            if not message:
                return
            holdings.apply(decode(message), descriptors)


class Leader:
    """One loop over all callers, listeners and clients."""

    def __init__(self, door: socket.socket, lock: int, holdings: Holdings, executor: Executor) -> None:
        self._door = door
        self._lock = lock
        self._holdings = holdings
        self._waker = Waker(executor)
        self._watch = Watch()
        self._callers = Callers(self._watch, door, self._answer)
        self._clients = Clients(self._watch, holdings, self._change, self._wake)
        self._second = Second(self._let_go)
        self._executors: dict[str, tuple[int, int]] = {}  # of woken tasks
        self._ending: dict[str, int] = {}  # pidfds of executors that are about to end
        self._again: dict[str, float] = {}  # tasks that could not be woken, and when to try again
        self._tidy_at = 0.0
        self._waking, self._woken = socket.socketpair()

    def lead(self) -> socket.socket:
        """Act; comes back only in the second process, with what it follows."""
        try:
            self._begin()
            while True:
                wait = _TICK if self._clients or self._again else _IDLE_SECONDS
                spare = self._waker.spare.wait
                happened = self._watch.wait(wait if spare is None else min(wait, spare))
                self._look_at_the_time()
                if not happened and spare is not None:
                    self._waker.spare.renew()
                elif not (happened or self._callers or self._holdings.by_state):
                    self._end()
        except Following as following:
            return following.connection

    def _begin(self) -> None:
        for end in (self._waking, self._woken):
            end.setblocking(False)
        signal.set_wakeup_fd(self._woken.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        self._second.renew()
        self._watch.on(self._waking.fileno(), self._children_ended)
        self._callers.open()
        for held in tuple(self._holdings.by_state.values()):
            if held.phase == "arriving":
                self._await_end(held)
            elif held.phase == "parked":
                self._listen(held)
            else:
                self._wake(held, "a request")

    def _end(self) -> None:
        """End both processes, as SIGTERM asks, or where there is neither a task nor a plugin that may have one."""
        self._second.kill()
        os._exit(0)

    # the second process

    def _let_go(self) -> list[int]:
        """In the second process, just forked: close what is the first one's own, and give the descriptors of both."""
        self._watch.close()
        self._second.close()
        self._waker.spare.close()
        for each in (self._waking, self._woken, *(caller.connection for caller in self._callers)):
            each.close()
        held = (each for held in self._holdings.by_state.values() for each in held.descriptors)
        return [self._door.fileno(), self._lock, *held]

    def _change(self, change: Mapping[str, Any], descriptors: Sequence[int] = ()) -> None:
        """Change what is held, in the second process first."""
        self._second.tell(encode(change), descriptors)
        self._holdings.apply(change, descriptors)

    def _children_ended(self) -> None:
        with contextlib.suppress(BlockingIOError):
            if signal.SIGTERM in self._waking.recv(4096):
                self._end()
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            if pid == self._second.pid:
                self._second.renew()
                continue
            if self._waker.spare.has_ended(pid):
                continue
            for state, (executor, _) in tuple(self._executors.items()):
                if executor == pid:
                    del self._executors[state]
            self._callers.tell({"ended": pid, "status": os.waitstatus_to_exitcode(status)})

    def _answer(self, caller: Caller, request: Mapping[str, Any], descriptors: list[int]) -> None:
        match request:
            case {"park": str(state), "health": [str(target), int(status)]}:
                executor = caller.pid, start_time(caller.pid)
                if (
                    recorded(state) != executor
                ):  # or a guest that has taken one over could take other tasks, too
                    raise ValueError(f"process {caller.pid} is not the executor of {state}")
                take = {"take": state, "executor": executor, "health": (target, status)}
                self._take(take, descriptors)
                caller.send({"held": state})
                return
            case {"keep": str(state)} if self._leaves(caller, state):
                for descriptor in descriptors:
                    self._clients.keep(state, descriptor)
                return
            case {"unpark": str(state)} if self._leaves(caller, state):
                self._drop(state)
            case {"drop": str(state)} if caller.is_ours:
                caller.send({"dropped": state, "parked": self._drop(state)})
            case {"find": str(state)} if caller.is_ours:
                parked = state in self._holdings.by_state
                caller.send({"found": state, "parked": parked, "executor": self._executors.get(state)})
            case {"watch": True} if caller.is_ours:
                caller.watches = True
                for held in self._holdings.by_state.values():
                    if held.phase == "parked":
                        caller.send({"parked": held.state})
            case _:
                raise ValueError("it asked for nothing that it may have")
        close(descriptors)

    def _leaves(self, caller: Caller, state: str) -> bool:
        """Whether the caller is the executor that has handed this task over, and has not ended yet."""
        held = self._holdings.by_state.get(state)
        return held is not None and held.phase == "arriving" and held.executor[0] == caller.pid

    # tasks

    def _take(self, take: Mapping[str, Any], descriptors: list[int]) -> None:
        if len(descriptors) < 6 or not all(listens(each) for each in descriptors[:2]):
            raise ValueError("what it left is no parked task")
        state = take["take"]
        self._drop(state)
        self._executors.pop(state, None)
        self._change(take, descriptors)
        self._await_end(self._holdings.by_state[state])

    def _await_end(self, held: Held) -> None:
        pid, started = held.executor
        try:
            descriptor = os.pidfd_open(pid)
        except OSError:
            self._ended(held)
            return
        if start_time(pid) != started:
            os.close(descriptor)
            self._ended(held)
            return
        self._ending[held.state] = descriptor
        self._watch.on(descriptor, lambda: self._ended(held))

    def _ended(self, held: Held) -> None:
        self._forget_end(held.state)
        self._change({"parked": held.state})
        self._callers.tell({"parked": held.state})
        self._listen(held)

    def _forget_end(self, state: str) -> None:
        if (descriptor := self._ending.pop(state, None)) is not None:
            self._watch.off(descriptor)
            os.close(descriptor)

    def _listen(self, held: Held) -> None:
        self._watch.on(held.shelved.listener, lambda: self._clients.knocked(held))
        self._watch.on(held.shelved.control, lambda: self._wake(held, "a call"))
        for number in tuple(held.clients):
            self._clients.attend(held, number)

    def _drop(self, state: str) -> bool:
        """Let go of what is held for a task; whether there was anything."""
        held = self._holdings.by_state.get(state)
        if held is None:
            return False
        self._ignore(held)
        self._change({"gone": state})
        return True

    def _ignore(self, held: Held) -> None:
        self._forget_end(held.state)
        self._again.pop(held.state, None)
        self._clients.ignore(held)
        for descriptor in held.descriptors:
            self._watch.off(descriptor)

    def _wake(self, held: Held, why: str) -> None:
        asked_at = time.monotonic()
        self._ignore(held)
        try:
            lock = take_lock(held.state)
        except OSError:  # the task was removed
            self._change({"gone": held.state})
            return
        if lock is None:
            self._find_woken(held, why)
            return
        self._change({"waking": held.state})
        try:
            pid = self._waker.wake(held, lock, asked_at)
        except OSError as error:
            os.close(lock)
            sys.stderr.write(f"{held.state}: no executor can be forked: {error.strerror}\n")
            self._again[held.state] = asked_at + _AGAIN_SECONDS
            return
        os.close(lock)
        with contextlib.suppress(OSError):  # the task may be removed just now
            record(Path(held.state), pid)
        self._is_awake(held, (pid, start_time(pid)), why)

    def _find_woken(self, held: Held, why: str) -> None:
        """An executor has the task that the process before this one forked: it writes down at once which it is."""
        executor = recorded(held.state)
        if executor is None or executor == held.executor or executor[1] != start_time(executor[0]):
            self._again[held.state] = time.monotonic() + _AGAIN_SECONDS
            return
        self._is_awake(held, executor, why)

    def _is_awake(self, held: Held, executor: tuple[int, int], why: str) -> None:
        self._executors[held.state] = executor
        self._change({"gone": held.state})
        self._callers.tell({"woken": held.state, "executor": executor, "why": why})

    def _look_at_the_time(self) -> None:
        now = time.monotonic()
        if now >= self._tidy_at:
            self._tidy_at = now + _TIDY_SECONDS
            if not self._second.is_there:
                self._second.renew()
            for state in tuple(self._holdings.by_state):
                if not (Path(state) / control.LAUNCH).exists():  # the task was removed, and nobody said so
                    self._drop(state)
        for state, at in tuple(self._again.items()):
            if at <= now:
                self._wake(self._holdings.by_state[state], "a request")
        self._clients.leave_late(now)
