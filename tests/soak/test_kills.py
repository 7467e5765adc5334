"""Processes of a node die at random, one after the other: no task is lost, doubled or left behind, no end untrue.

SOAK_KILLS is how many die (30 in `make test`, 200 in `make soak`), SOAK_SEED which; the seed is printed.
"""

from __future__ import annotations

import os
import random
import secrets
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import pytest

from tests.conformance.servers import guest
from tests.driver.go_guests import go_guest
from tests.e2e.cli import Cli
from tests.e2e.nomad_jobs import PATIENCE, purge
from tests.e2e.owners import allocation_of
from tests.e2e.world import World, eventually
from tests.soak.clients import Clients
from tests.soak.lives import App, Command, Sleeper
from tests.soak.node import Node
from tests.soak.victims import VICTIMS, Victim, agent, engines, holders
from wasmdeploy_cli.stack.state import StackState

KILLS = int(os.environ.get("SOAK_KILLS", "30"))
# The few of `make test` are the same each time, as far as time does not mix them.
SEED = int(os.environ.get("SOAK_SEED") or (secrets.randbelow(1 << 32) if KILLS > 30 else 11))
pytestmark = [pytest.mark.guests, pytest.mark.stack, pytest.mark.soak, pytest.mark.timeout(600 + 30 * KILLS)]


_SOON = 20.0


@dataclass
class Soak:
    """One run: what lives on the node, and what has died so far."""

    node: Node
    draw: random.Random
    tool: Path
    started: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    killed: Counter[str] = field(default_factory=Counter)
    risks: int = 0  # plugins of this moment that were killed before they had taken up all tasks
    plugin_died: bool = False  # in this moment
    app_died: bool = False  # likewise, and is started again
    lost: int = 0
    said: int = 0

    def moment(self, kills: int) -> None:
        """Some kills, one soon after the other, with load or without; then everything must be well again."""
        while len(self.node.commands) < 2:
            self.start_command()
        self.said += 1
        self.risks = 0
        self.plugin_died = self.app_died = False
        self.node.speaker.settle()
        self.node.speaker.say(f"line-{self.said}")
        victims = self.draw.choices(VICTIMS, [victim.share for victim in VICTIMS], k=kills)
        loaded = self.draw.random() < 0.5 or any(victim.busy for victim in victims)
        _say(f"{self.killed.total()}: {', '.join(each.name for each in victims)}{' under load' * loaded}")
        before = {owner: process.pid for process, owner in self.node.executors()}
        clients = [Clients(app) for app in self.node.apps] if loaded else []
        ending = self.node.commands[0] if self.draw.random() < 0.5 else None
        let_go = self.draw.randrange(kills)
        with ExitStack() as load:
            for each in clients:
                load.enter_context(each.asking())
            for number, victim in enumerate(victims):
                self.kill(victim)
                if victim.twice:
                    self.kill_the_next(victim)
                if ending and number == let_go and not ending.killed:
                    ending.let_go()
                time.sleep(self.draw.choice((0.0, 0.0, 0.2, 1.0)))
            self.heal()
        given_up = {app.name for app in self.node.served if app.were_given_up(self.risks)}
        self.ended.update(f"{name} given up" for name in given_up)
        if all(victim.unnoticed for victim in victims):
            for each in clients:
                assert each.app.name in given_up or each.failures[:5] == []
            after = {owner: process.pid for process, owner in self.node.executors()}
            for app in self.node.apps:
                assert app.name in given_up or after[app.allocation] == before[app.allocation], app.name
        self.check_ends(ending)

    def kill(self, victim: Victim) -> None:
        """Kill one process of a kind, or all; where none lives now, as after another kill, nothing happens."""
        if victim.busy and not victim.find(self.node.world):
            with suppress(AssertionError):
                eventually("an app forks under load", lambda: engines(self.node.world), 5)
        if victim.name == "executor":
            # That of an app which is to be parked may be about to end: with an answer it stays for a while.
            self.node.sleeper.answers()
        if victim.parked and not self.is_held():
            return
        found = sorted(victim.find(self.node.world), key=lambda process: process.pid)
        found = [each for each in found if allocation_of(each) not in self.node.strangers]
        if not found:
            return
        process = self.draw.choice(found)
        if victim.name == "logmon":
            self.wait_for_lines()
        if victim.name.startswith("plugin") and not self.may_die(process):
            return
        if victim.name == "agent" and not self.agent_may_die():
            return
        owner = allocation_of(process)
        dying = found if victim.whole else [process]
        with suppress(psutil.NoSuchProcess):
            # Stopped first, none sees another one die.
            for number in (signal.SIGSTOP, signal.SIGKILL)[not victim.whole :]:
                for each in dying:
                    each.send_signal(number)
            self.killed[victim.name] += 1
            if victim.name == "agent":
                process.wait(PATIENCE)  # or it would still be there for who looks whether it must be started
            if victim.name == "executor" and owner:
                self.executor_died(owner)
        if victim.parked:
            self.holder_died(victim)

    def kill_the_next(self, victim: Victim) -> None:
        """Kill what has come in place of what was just killed, soon after it came."""
        with suppress(AssertionError):
            eventually("there is another", lambda: victim.find(self.node.world), 5)
        time.sleep(self.draw.choice((0.0, 0.1, 0.2, 0.3)))
        self.kill(victim)

    def is_held(self) -> bool:
        """Whether an app is parked, and held by two processes, soon."""

        def held() -> bool:
            return self.node.sleeper.is_parked() and len(holders(self.node.world)) == 2

        with suppress(AssertionError):
            return eventually("an app is parked", held, _SOON)
        return False

    def holder_died(self, victim: Victim) -> None:
        """With one of its processes nothing is lost: whoever asks now is answered. With both, what was parked is."""
        if victim.whole:
            self.node.sleeper.kills += 1
            self.app_died = True
            return
        clients = Clients(self.node.sleeper)
        clients.ask_at_once()
        assert clients.failures == []

    def may_die(self, plugin: psutil.Process) -> bool:
        """Whether a plugin may be killed: before it has taken up all tasks Nomad gives up those that it has not.

        Only one plugin of a moment dies so early, and none while an app is started: Nomad repeats a start once, and a
        second plugin's death under it is the app's end for good.
        """
        if self.risks or self.app_died or not self.node.apps_are_there():
            with suppress(AssertionError):
                return eventually("all apps run", lambda: self.node.all_run(plugin), _SOON)
            return False
        if not self.node.has_taken_up(plugin):
            self.risks += 1
            for command in self.node.commands:
                command.risked = True
        self.plugin_died = True
        return True

    def agent_may_die(self) -> bool:
        """Whether an agent may be killed: not with a plugin that it has just started, or an app that it is to start.

        A task that it has given up, and not yet started again, is one that the next agent finds again, and shows as
        pending for good; and it may not have written down the new plugin's process.
        """
        if self.plugin_died or self.app_died:
            with suppress(AssertionError):
                plugins = self.node.world.plugins
                return eventually(
                    "all apps run", lambda: [*map(self.node.all_run, plugins())] == [True], _SOON
                )
            return False
        return True

    def executor_died(self, allocation: str) -> None:
        """A command has ended with that; an app is started again, and what no collector has read is gone."""
        for command in self.node.commands:
            command.killed |= command.allocation == allocation
        for app in self.node.served:
            app.kills += app.allocation == allocation
            self.app_died |= app.allocation == allocation
        if self.node.speaker.allocation == allocation:
            self.node.speaker.settle()
            self.lost += len(self.node.speaker.waiting)
            self.node.speaker.waiting.clear()

    def heal(self) -> None:
        """Wait until all that runs for ever runs and is known to Nomad."""
        if not agent(self.node.world):
            self.node.world.cli("stack", "up")
        for app in self.node.served:
            eventually(f"{app.name} answers", app.answers, PATIENCE, app.stub)
            eventually(
                f"Nomad has started {app.name} again {app.kills} times",
                lambda app=app: app.restarts() >= app.kills,
                PATIENCE,
                app.stub,
            )
        plugins = self.node.world.plugins
        eventually("one plugin serves", lambda: len(plugins()) == 1, PATIENCE, plugins)
        eventually("Nomad and the process table agree", self.node.agree, PATIENCE, self.node.state)
        for app in self.node.served:
            assert app.restarts() - app.kills in range(self.risks + 1), app.stub()

    def check_ends(self, ending: Command | None) -> None:
        """Commands that were told to end, killed or given up have ended truly."""
        for command in self.node.commands.copy():
            if command.killed or command is ending or (command.risked and command.ended()):
                command.check()
                how = "killed" if command.killed else f"code {command.code}"
                self.ended["a command given up" if command.given_up else how] += 1
                self.node.commands.remove(command)

    def start_command(self) -> None:
        """One more command that waits."""
        self.started += 1
        code = self.draw.choice((0, 1, 42, 255))
        command = Command(self.node.world, f"soak-command-{self.started}", self.tool, code=code)
        command.start()
        self.node.commands.append(command)

    def wait_for_lines(self) -> None:
        """A collector that dies takes along what it has read and not yet written, a tenth of a second's lines."""
        speaker = self.node.speaker
        eventually(
            "what was said is written", lambda: set(speaker.owed) <= speaker.written().keys(), PATIENCE
        )


@pytest.fixture
def soak(stack: StackState) -> Iterator[Soak]:
    """Three apps on the session's stack; whatever happens, they are gone afterwards."""
    world = World(stack, Cli(stack.data_dir))
    components = []
    for name, source in (("cgi", go_guest()), ("http", guest("rust")), ("tool", go_guest("go-tool"))):
        components.append(stack.components_dir / f"soak-{name}.wasm")
        components[-1].write_bytes(source.read_bytes())
    cgi, rust, tool = components
    apps = [
        App(world, "soak-cgi", cgi),
        App(world, "soak-http", rust, path="/hello", body=b"hello\n"),
    ]
    sleeper = Sleeper(world, "soak-parked", rust, path="/hello", body=b"hello\n")
    node = Node(world, apps, sleeper)
    try:
        yield Soak(node, random.Random(SEED), tool)
    finally:
        if not agent(world):
            world.cli("stack", "up")
        for each in (*node.served, *node.commands):
            purge(world, each.name)
        for component in components:
            component.unlink()
        httpx.put(f"{stack.nomad_addr}/v1/system/gc", timeout=60).raise_for_status()


def test_kills(soak: Soak) -> None:
    """After any number of kills everything runs, once; every end is true; every line is in the log, once."""
    _say(f"{KILLS} kills with SOAK_SEED={SEED}")
    for app in soak.node.served:
        app.start()
    while (left := KILLS - soak.killed.total()) > 0:
        soak.moment(min(left, soak.draw.choice((1, 1, 1, 2, 3))))
    _say(f"died: {dict(soak.killed)}; ended: {dict(soak.ended)}; lines: {soak.said}, {soak.lost} lost")
    # An agent that comes back starts the collectors that are missing.
    (last,) = agent(soak.node.world)
    last.kill()
    last.wait(PATIENCE)
    soak.risks = 0
    soak.heal()
    speaker = soak.node.speaker
    eventually("the log is collected", speaker.collected, PATIENCE)
    speaker.settle()

    def unwritten() -> set[str]:
        return set(speaker.owed) - speaker.logged().keys()

    def seen() -> str:
        nodes = [(node["Name"], node["Status"]) for node in speaker.world.nomad("nodes") or []]
        return f"not in the log: {unwritten()}, in its files: {sorted(speaker.written())}, nodes: {nodes}"

    eventually("all is written", lambda: not unwritten(), PATIENCE, seen)
    logged = eventually("the log can be read", speaker.logged, PATIENCE)
    assert [(line, logged[line]) for line in speaker.owed if logged[line] != 1] == []
    assert len(speaker.owed) + soak.lost == soak.said
    leave_nothing(soak)


def leave_nothing(soak: Soak) -> None:
    """Once the jobs are gone, so is all that belonged to them."""
    world = soak.node.world
    for command in soak.node.commands:
        command.let_go()
        command.check()
    soak.node.commands.clear()
    for app in soak.node.served:
        purge(world, app.name)
    eventually("nothing of a task is left", lambda: not soak.node.left(), PATIENCE, soak.node.left)


def _say(text: str) -> None:
    print(f"soak: {text}", file=sys.stderr, flush=True)
