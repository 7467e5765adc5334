"""What an executor has before it knows its task: made at once, or in a spare one that waits for a task.

All of it is made by one thread; nothing in it is of any task.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wasmdeploy_driver.app.oom import ENGINE_SCORE, OwnScore
from wasmdeploy_driver.app.stem import Stem
from wasmdeploy_driver.errors import ExecutorError
from wasmdeploy_driver.executor import cgroup, confine, control, netns
from wasmdeploy_driver.executor.engines import fork_stem
from wasmdeploy_driver.executor.launch import Cgroup
from wasmdeploy_driver.executor.title import show_executor, show_name
from wasmdeploy_driver.isolation import privileges


@dataclass(frozen=True, slots=True)
class Beginning:
    """The loop it will run in, its standing with the kernel when memory is out, and its stem where it has one."""

    runner: asyncio.Runner
    score: OwnScore
    stem: Stem | None

    @classmethod
    def make(cls, *, stem: bool, isolated: bool) -> Beginning:
        """Begin, in a process with one thread; raises ExecutorError."""
        if isolated:
            confine.apart()
        score = OwnScore()
        # First of all, since whatever this process has written to by now is in memory twice.
        with score.lent(ENGINE_SCORE):
            return cls(asyncio.Runner(), score, fork_stem(_begin_stem) if stem else None)


def enter(state: Path, described: Mapping[str, Any], namespace: Sequence[int]) -> None:
    """Go by the name of the task, in its network, confined to what is its own; raises ExecutorError."""
    privileges.hide()
    show_name(f"wasm:{described['task'].get('app') or described['id']}")
    for each in namespace:
        netns.join(each, str(described["netns"]))
        os.close(each)
    if (group := Cgroup.of(described)) is not None:
        cgroup.count(group, described["id"])
    if "isolation" in described:
        confine.begin(described, state)


def _begin_stem(task: str, namespace: Sequence[int]) -> bool:
    show_executor(task)  # as those that are forked off it will
    state = Path(task)
    described = json.loads((state / control.LAUNCH).read_text())
    try:
        enter(state, described, namespace)
        if "isolation" in described:
            confine.as_stem(described)
    except ExecutorError as error:
        sys.stderr.write(f"{error.message}\n")
        return False
    return True
