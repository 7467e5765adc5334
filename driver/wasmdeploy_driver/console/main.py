"""A console's process: takes its command from a memory file, runs it, ends with its exit code."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from wasmdeploy_driver.app.memfile import whole
from wasmdeploy_driver.console.command import Place
from wasmdeploy_driver.console.shell import Shell
from wasmdeploy_driver.console.streams import Streams
from wasmdeploy_driver.console.terminal import converse, run_script, take_terminal
from wasmdeploy_driver.errors import WasmdeployError
from wasmdeploy_driver.executor.control import LAUNCH
from wasmdeploy_driver.executor.launch import Launch

# What a shell is called: Nomad's user interface opens /bin/bash, script checks often /bin/sh -c.
_SHELLS = frozenset(("sh", "bash", "ash", "dash", "zsh"))


def main(arguments: list[str]) -> int:
    """Run the console that the memory file asks for whose number is given; the exit code is the command's."""
    request = json.loads(_whole(int(arguments[0])))
    places = {name: Path(f"/proc/self/fd/{request[name]}") for name in ("root", "shared") if name in request}
    state = Path(f"/proc/self/fd/{request['state']}")
    terminal = bool(request["tty"])
    if terminal:
        take_terminal()
    try:
        place = Place(_launch(state, places), state)
    except (OSError, WasmdeployError) as error:
        Streams().complain(f"the task cannot be read: {error}")
        return 1
    shell = Shell(place)
    try:
        _run(shell, request["command"], place.launch, terminal=terminal)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        return 1
    return shell.code


def _run(shell: Shell, command: Sequence[str], launch: Launch, *, terminal: bool) -> None:
    if not command or Path(command[0]).name not in _SHELLS:
        shell.run(command or ("help",), Streams())
        return
    options = [each for each in command[1:] if each.startswith("-")]
    rest = [each for each in command[1:] if not each.startswith("-")]
    if any("c" in each for each in options if not each.startswith("--")):
        shell.line(rest[0] if rest else "")
    elif terminal:
        converse(shell, launch.task.app or launch.id.split("/")[1])
    else:
        run_script(shell)


def _launch(state: Path, places: Mapping[str, Path]) -> Launch:
    launch = Launch.from_json((state / LAUNCH).read_text())
    return replace(launch, root=places["root"], shared=places.get("shared"))


def _whole(descriptor: int) -> bytes:
    data = whole(descriptor)
    os.close(descriptor)
    return data
