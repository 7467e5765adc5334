"""`run`: a module of the task directory as a command, in the sandbox of the task.

It runs in a process of its own, with the directories of the task and its limit of memory, but with none of its
secrets, and without the time limit of requests: it ends with the console at the latest.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from wasmdeploy_driver.console.command import Command, Place, wrong
from wasmdeploy_driver.console.streams import Streams
from wasmdeploy_driver.errors import ConfigError, GuestTrap, WasmdeployError
from wasmdeploy_driver.executor.files import open_dirs
from wasmdeploy_driver.executor.launch import Launch
from wasmdeploy_driver.executor.prepare import compile_here, load_command
from wasmdeploy_driver.task import Dir, Task
from wasmdeploy_driver.variables import Values

_RUN = "run MODULE [ARGUMENT…]"


def _run(place: Place, streams: Streams, arguments: Sequence[str]) -> int:
    if not arguments:
        raise wrong(_RUN)
    module, *rest = arguments
    if module.startswith("/"):
        raise ConfigError(f"run: {module}: a module lies below the task directory, as in local/tool.wasm")
    launch = _as_command(place.launch, module, tuple(rest))
    # Ctrl-C is the guest's, and this process goes on: it waits until both are ready for it.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    child = os.fork()  # this process has one thread, and no engine yet
    if not child:
        os._exit(_guest(launch, streams))
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    try:
        _, status = os.waitpid(child, 0)
    finally:
        signal.signal(signal.SIGINT, before)
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        streams.complain(f"run: {module} was ended by {signal.Signals(-code).name}")
        return 128 - code
    return code


def _guest(launch: Launch, streams: Streams) -> int:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    try:
        if streams.out == 2:
            os.dup2(2, 1)
        return load_command(
            launch, compile_here(launch), Values({}), open_dirs(launch, launch.task.dir)
        ).run()
    except GuestTrap as error:
        streams.complain(error.message)
        return error.exit_code
    except WasmdeployError as error:
        streams.complain(f"run: {error.message}")
        return 126
    except Exception as error:  # noqa: BLE001  # a forked child must not go on as the console
        streams.complain(f"run: {type(error).__name__}: {error}")
        return 126


def _as_command(launch: Launch, module: str, arguments: tuple[str, ...]) -> Launch:
    dirs: dict[str, Dir] = {}
    for each in (*launch.task.dir, *(each for component in launch.task.component for each in component.dir)):
        dirs.setdefault(each.guest, each)
    task = Task(
        app=launch.task.app, namespace=launch.task.namespace, module=module, args=arguments,
        dir=tuple(dirs.values()), limits=launch.task.limits,
    )  # fmt: skip
    return replace(launch, task=task, stdout=Path("/dev/null"), stderr=Path("/dev/null"), vault=None)


MODULE = Command("run", _RUN, "run a module of the task directory; it gets no secrets", _run)
