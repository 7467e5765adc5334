"""Processes of a node die at random, one after the other: no task is lost, doubled or left behind, no end untrue.

SOAK_KILLS is how many die (30 in `make test`, 200 in `make soak`), SOAK_SEED which; the seed is printed.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import secrets
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import pytest

from tests.conformance.servers import guest
from tests.driver.go_guests import go_guest
from tests.e2e.cli import Cli
from tests.e2e.nomad_jobs import PATIENCE, purge
from tests.e2e.world import World, eventually
from tests.soak.lives import App, Command
from tests.soak.victims import CLIENT, VICTIMS, Victim, agent, engines, logmons
from wasmdeploy_cli.stack import directory, sweep
from wasmdeploy_cli.stack.state import StackState

KILLS = int(os.environ.get("SOAK_KILLS", "30"))
SEED = int(os.environ.get("SOAK_SEED") or secrets.randbelow(1 << 32))
pytestmark = [pytest.mark.guests, pytest.mark.stack, pytest.mark.soak, pytest.mark.timeout(600 + 30 * KILLS)]

_CONNECTIONS = 8


@dataclass
class Clients:
    """Clients that ask an app again and again; `failures` are the answers that were not right."""

    app: App
    answers: int = 0
    failures: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def asking(self) -> Iterator[None]:
        """For the time of the block; the counts are final once it has ended."""
        threads = [threading.Thread(target=self._ask) for _ in range(_CONNECTIONS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def _ask(self) -> None:
        while not self._stop.is_set():
            try:
                body = self.app.ask(self.app.path)
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(f"{self.app.name}: {error!r}")
                time.sleep(0.05)
                continue
            self.answers += 1
            if body != self.app.body:
                self.failures.append(f"{self.app.name}: {body[:80]!r}")


@dataclass
class Soak:
    """One run: what is on the node, and what has died so far."""

    world: World
    apps: list[App]
    draw: random.Random
    tool: Path
    commands: list[Command] = field(default_factory=list)
    started: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    killed: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    said: int = 0
    strangers: set[str] = field(default_factory=set)  # what another test has left on the same stack

    def __post_init__(self) -> None:
        self.strangers = set(map(self.owner_of, self.world.executors()))

    @property
    def speaker(self) -> App:
        """The app whose lines are counted."""
        return self.apps[0]

    def moment(self, kills: int) -> None:
        """Some kills, one soon after the other, with load or without; then everything must be well again."""
        while len(self.commands) < 2:
            self.start_command()
        self.said += 1
        self.speaker.settle()
        self.speaker.say(f"line-{self.said}")
        victims = self.draw.choices(VICTIMS, [victim.share for victim in VICTIMS], k=kills)
        loaded = self.draw.random() < 0.5 or any(victim.busy for victim in victims)
        _say(f"{self.killed.total()}: {', '.join(each.name for each in victims)}{' under load' * loaded}")
        before = self.executors()
        clients = [Clients(app) for app in self.apps] if loaded else []
        ending = self.commands[0] if self.draw.random() < 0.5 else None
        let_go = self.draw.randrange(kills)
        with ExitStack() as load:
            for each in clients:
                load.enter_context(each.asking())
            for number, victim in enumerate(victims):
                self.kill(victim)
                if ending and number == let_go and not ending.killed:
                    ending.let_go()
                time.sleep(self.draw.choice((0.0, 0.0, 0.2, 1.0)))
            self.heal()
        if all(victim.unnoticed for victim in victims):
            assert [failure for each in clients for failure in each.failures][:5] == []
            running = self.executors()
            assert {app.name: running[app.allocation] for app in self.apps} == {
                app.name: before[app.allocation] for app in self.apps
            }
        self.check_ends(ending)

    def kill(self, victim: Victim) -> None:
        """Kill one process of a kind; where none lives now, as after another kill, nothing happens."""
        if victim.busy and not victim.find(self.world):
            with suppress(AssertionError):
                eventually("an app forks under load", lambda: engines(self.world), 5)
        found = sorted(victim.find(self.world), key=lambda process: process.pid)
        if not found:
            return
        process = self.draw.choice(found)
        if victim.name == "logmon":
            self.wait_for_lines()
        owner = self.owner_of(process)
        with suppress(psutil.NoSuchProcess):
            process.kill()
            self.killed[victim.name] += 1
            if victim.name == "executor" and owner:
                self.executor_died(owner)

    def executor_died(self, allocation: str) -> None:
        """A command has ended with that; an app is started again, and what no collector has read is gone."""
        for command in self.commands:
            command.killed |= command.allocation == allocation
        for app in self.apps:
            app.kills += app.allocation == allocation
        if self.speaker.allocation == allocation:
            self.speaker.settle()
            self.lost += len(self.speaker.waiting)
            self.speaker.waiting.clear()

    def heal(self) -> None:
        """Wait until all that runs for ever runs and is known to Nomad."""
        if not agent(self.world):
            self.world.cli("stack", "up")
        for app in self.apps:
            eventually(f"{app.name} answers", app.answers, PATIENCE)
            eventually(f"Nomad knows the starts of {app.name}", lambda: app.restarts() == app.kills, PATIENCE)
        eventually("one plugin serves", lambda: len(self.world.plugins()) == 1, PATIENCE)
        eventually("Nomad and the process table agree", self.agree, PATIENCE)

    def check_ends(self, ending: Command | None) -> None:
        """Commands that were told to end, or killed, have ended truly."""
        for command in [each for each in self.commands if each.killed or each is ending]:
            command.check()
            self.ended["killed" if command.killed else f"code {command.code}"] += 1
            self.commands.remove(command)

    def start_command(self) -> None:
        """One more command that waits."""
        self.started += 1
        code = self.draw.choice((0, 1, 42, 255))
        command = Command(self.world, f"soak-command-{self.started}", self.tool, code=code)
        command.start()
        self.commands.append(command)

    def wait_for_lines(self) -> None:
        """A collector that dies takes along what it has read and not yet written, a tenth of a second's lines."""
        speaker = self.speaker
        eventually(
            "what was said is written", lambda: set(speaker.owed) <= speaker.written().keys(), PATIENCE
        )

    def executors(self) -> dict[str, int]:
        """The executor of each allocation; `agree` has seen that each has one."""
        return {owner: process.pid for process in self.world.executors() if (owner := self.owner_of(process))}

    def owner_of(self, process: psutil.Process) -> str:
        """The allocation of an executor, empty for any other process."""
        with suppress(psutil.Error, OSError):
            for word in process.cmdline():
                if (launch := Path(word, "launch.json")).is_file():
                    return str(json.loads(launch.read_text())["id"]).partition("/")[0]
        return ""

    def agree(self) -> bool:
        """Whether what runs for Nomad is what runs, each once."""
        stubs = [stub for each in (*self.apps, *self.commands) if (stub := each.stub())]
        running = sorted(stub["ID"] for stub in stubs if stub["ClientStatus"] == "running")
        # One that was forked the moment before its plugin was killed ends by itself, a minute later at most.
        owners = sorted(map(self.owner_of, self.world.executors()))
        return running == [owner for owner in owners if owner not in self.strangers]


@pytest.fixture
def soak(stack: StackState) -> Iterator[Soak]:
    """Two apps on the session's stack; whatever happens, they are gone afterwards."""
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
    run = Soak(world, apps, random.Random(SEED), tool)
    try:
        yield run
    finally:
        if not agent(world):
            world.cli("stack", "up")
        for each in (*apps, *run.commands):
            purge(world, each.name)
        for component in components:
            component.unlink()
        httpx.put(f"{stack.nomad_addr}/v1/system/gc").raise_for_status()


def test_kills(soak: Soak) -> None:
    """After any number of kills everything runs, once; every end is true; every line is in the log, once."""
    _say(f"{KILLS} kills with SOAK_SEED={SEED}")
    for app in soak.apps:
        app.start()
    while (left := KILLS - soak.killed.total()) > 0:
        soak.moment(min(left, soak.draw.choice((1, 1, 1, 2, 3))))
    _say(f"died: {dict(soak.killed)}; ended: {dict(soak.ended)}; lines: {soak.said}, {soak.lost} lost")
    # An agent that comes back starts the collectors that are missing.
    agent(soak.world)[0].kill()
    soak.heal()
    speaker = soak.speaker
    eventually("the log is collected", speaker.collected, PATIENCE)
    speaker.settle()
    eventually("all is written", lambda: set(speaker.owed) <= speaker.logged().keys(), PATIENCE)
    logged = eventually("the log can be read", speaker.logged, PATIENCE)
    assert [(line, logged[line]) for line in speaker.owed if logged[line] != 1] == []
    assert len(speaker.owed) + soak.lost == soak.said
    leave_nothing(soak)


def leave_nothing(soak: Soak) -> None:
    """Once the jobs are gone, so is all that belonged to them."""
    world = soak.world
    for command in soak.commands:
        command.let_go()
        command.check()
    soak.commands.clear()
    for app in soak.apps:
        purge(world, app.name)
    eventually("no process of a task is left", lambda: not world.family() and not logmons(world), PATIENCE)
    owned = directory.opened(world.stack.data_dir)
    assert owned is not None
    tasks = owned.data(f"{CLIENT}-wasm") / "tasks"
    eventually("no state of a task is left", lambda: not list(tasks.iterdir()), PATIENCE)
    eventually("no control group is left", lambda: not sweep.cgroups(owned), PATIENCE)


def _say(text: str) -> None:
    print(f"soak: {text}", file=sys.stderr, flush=True)
