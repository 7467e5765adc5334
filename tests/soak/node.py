"""What is on a node in the soak of kills, for Nomad and in the process table, and what should not be there."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass, field

import psutil

from tests.e2e.owners import allocation_of, told
from tests.e2e.world import World
from tests.soak.lives import App, Command, Sleeper, states
from tests.soak.victims import followed, logmons
from wasmdeploy_cli.stack import directory, sweep
from wasmdeploy_driver.errors import ExecutorError
from wasmdeploy_driver.runner.process import identify

_YOUNG = 1.0  # seconds after which a plugin that has taken up all tasks has surely said so


@dataclass
class Node:
    """`apps` are under load at times, the first one's lines are counted; `sleeper` is parked when nobody asks it.

    `strangers` are the allocations that another test has left on the same stack.
    """

    world: World
    apps: list[App]
    sleeper: Sleeper
    commands: list[Command] = field(default_factory=list)
    strangers: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        there = (path.name for path in self.world.stack.data_dir.glob("client-*/alloc/*"))
        self.strangers = {*there, *map(allocation_of, self.world.family())} - {""}

    @property
    def speaker(self) -> App:
        """The app whose lines are counted."""
        return self.apps[0]

    @property
    def served(self) -> list[App]:
        """All apps."""
        return [*self.apps, self.sleeper]

    def has_taken_up(self, plugin: psutil.Process) -> bool:
        """Whether a plugin knows every task, and Nomad that it does."""
        with suppress(ExecutorError):
            since_boot = identify(plugin.pid).start_time / os.sysconf("SC_CLK_TCK")
            is_young = time.clock_gettime(time.CLOCK_BOOTTIME) - since_boot < _YOUNG
            return not is_young and {process.pid for process, _ in self.executors()} <= followed(plugin)
        return False

    def all_run(self, plugin: psutil.Process) -> bool:
        """Whether all apps run for Nomad and a plugin: none is about to be started."""
        started = all(app.restarts() >= app.kills and app.runs() for app in self.served)
        return started and self.has_taken_up(plugin)

    def apps_are_there(self) -> bool:
        """Whether each app has an executor, or is parked."""
        there = {owner for _, owner in self.executors()}
        awake = self.sleeper.allocation in there or self.sleeper.is_parked()
        return awake and {app.allocation for app in self.apps} <= there

    def executors(self) -> list[tuple[psutil.Process, str]]:
        """Each executor with its allocation, but those of strangers."""
        owned = ((process, allocation_of(process)) for process in self.world.executors())
        return [(process, owner) for process, owner in owned if owner not in self.strangers]

    def running(self) -> list[str]:
        """The allocations that run for Nomad."""
        stubs = [stub for each in (*self.served, *self.commands) if (stub := each.stub())]
        return sorted(stub["ID"] for stub in stubs if stub["ClientStatus"] == "running")

    def agree(self) -> bool:
        """Whether what runs for Nomad is what runs, each once, and the plugin knows it; a parked app needs not run."""
        # One that was forked the moment before its plugin was killed ends by itself, a minute later at most.
        executors = self.executors()
        owners = [owner for _, owner in executors]
        if self.sleeper.allocation not in owners:
            owners.append(self.sleeper.allocation)
        return self.running() == sorted(owners) and all(map(self.has_taken_up, self.world.plugins()))

    def state(self) -> str:
        """What runs, for Nomad, in the process table, and as plugins know it."""
        known = {plugin.pid: sorted(followed(plugin)) for plugin in self.world.plugins()}
        processes = "\n".join(told(self.world, process) for process, _ in self.executors())
        return f"for Nomad: {self.running()}; plugins and whom they follow: {known}\n{processes}"

    def left(self) -> list[str]:
        """What is still there of tasks, but for strangers'."""
        owned = directory.opened(self.world.stack.data_dir)
        assert owned is not None
        processes = [*self.world.family(), *logmons(self.world)]
        paths = [*states(self.world), *((group, group.name) for group in sweep.cgroups(owned))]
        return [
            *(told(self.world, each) for each in processes if allocation_of(each) not in self.strangers),
            *(f"{path}: {text[:60]}" for path, text in paths if not any(id in text for id in self.strangers)),
        ]
