"""The executor's process on a node: what it is before its task, and how it ends.

It belongs to nobody's life but its own: the plugin that started it may die and come back, and finds it again
by its control socket.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from wasmdeploy_driver.errors import ExecutorError
from wasmdeploy_driver.executor import control, netns
from wasmdeploy_driver.executor.beginning import Beginning, enter
from wasmdeploy_driver.executor.launch import Launch
from wasmdeploy_driver.executor.parking import Wake
from wasmdeploy_driver.executor.running import RunningTask
from wasmdeploy_driver.isolation import privileges


def main(
    arguments: list[str],
    listener: socket.socket | None = None,
    wake: Wake | None = None,
    beginning: Beginning | None = None,
    namespace: Sequence[int] = (),
) -> int:
    """Run the task whose state directory is given; the exit status is also in exit.json.

    `listener` is the control socket, where somebody else has made it already; `wake` what a parked task goes on with;
    `beginning` what a spare executor has, and `namespace` the task's, where it cannot open that itself any more.
    """
    state = Path(arguments[0])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    privileges.hide()
    text = (state / control.LAUNCH).read_text()
    described = json.loads(text)
    in_process = _in_process(described["task"])
    try:
        if described.get("netns") and not namespace:
            namespace = [netns.opened(str(described["netns"]))]
        begun = beginning or Beginning.make(stem=in_process, isolated="isolation" in described)
        # What it makes of its task's words is of its own memory, and not of its stem's: that is told, and looks itself.
        if begun.stem is not None and in_process:
            begun.stem.tell(str(state), (2, *namespace))
        elif begun.stem is not None:
            begun.stem.end()
        # Before there are threads: each is to be in it, too.
        enter(state, described, namespace)
    except ExecutorError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    launch = Launch.from_json(text)
    control_socket = listener or control.listen(state)

    async def live() -> NoReturn:
        await RunningTask(state, launch, begun.stem, control_socket, begun.score).live(wake)
        sys.stderr.flush()
        os._exit(0)  # neither a guest nor a compile that goes on in its thread may hold up the exit

    return begun.runner.run(live())


def _in_process(task: Mapping[str, Any]) -> bool:
    """Whether guests answer requests in processes of ours."""
    components = task.get("component", {}).values()
    return bool(components) and not any(each.get("engine") for each in components)
