"""The executor's process on a node: what it is before its task, and how it ends.

It belongs to nobody's life but its own: the plugin that started it may die and come back, and finds it again
by its control socket.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from wasmdeploy_driver.app.oom import ENGINE_SCORE, OwnScore
from wasmdeploy_driver.errors import ExecutorError
from wasmdeploy_driver.executor import cgroup, confine, control, netns
from wasmdeploy_driver.executor.engines import fork_stem
from wasmdeploy_driver.executor.launch import Cgroup, Launch
from wasmdeploy_driver.executor.parking import Wake
from wasmdeploy_driver.executor.running import RunningTask
from wasmdeploy_driver.executor.title import show_name
from wasmdeploy_driver.isolation import privileges


def main(arguments: list[str], listener: socket.socket | None = None, wake: Wake | None = None) -> int:
    """Run the task whose state directory is given; the exit status is also in exit.json.

    `listener` is the control socket, where somebody else has made it already; `wake` what a parked task goes on with.
    """
    state = Path(arguments[0])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    privileges.hide()
    text = (state / control.LAUNCH).read_text()
    described = json.loads(text)
    show_name(f"wasm:{described['task'].get('app') or described['id']}")
    score = OwnScore()
    alone: Callable[[], None] = lambda: None  # noqa: E731
    try:
        # First of all: the stem and every thread are to be in it, too.
        if described.get("netns"):
            netns.join(str(described["netns"]))
        if described.get("cgroup"):
            cgroup.count(Cgroup(**described["cgroup"]), described["id"])
        if "isolation" in described:
            confine.begin(described, state)
            alone = partial(confine.as_stem, described)
    except ExecutorError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    # Before there are threads, or a socket that it would share; and before Launch is made, whose memory it would keep.
    with score.lent(ENGINE_SCORE):
        stem = fork_stem(alone) if _in_process(described["task"]) else None
    launch = Launch.from_json(text)
    control_socket = listener or control.listen(state)

    async def live() -> NoReturn:
        await RunningTask(state, launch, stem, control_socket, score).live(wake)
        sys.stderr.flush()
        os._exit(0)  # neither a guest nor a compile that goes on in its thread may hold up the exit

    return asyncio.run(live())


def _in_process(task: Mapping[str, Any]) -> bool:
    """Whether guests answer requests in processes of ours."""
    components = task.get("component", {}).values()
    return bool(components) and not any(each.get("engine") for each in components)
