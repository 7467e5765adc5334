"""From a `Launch` to guests that can run: read, check, compile, fill in variables, link."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from wasmdeploy_driver.app.memfile import memory_file
from wasmdeploy_driver.duration import seconds
from wasmdeploy_driver.egress.reach import Reach
from wasmdeploy_driver.egress.rules import PORTS
from wasmdeploy_driver.errors import ConfigError, ExecutorError
from wasmdeploy_driver.executor.guestfile import guest_file
from wasmdeploy_driver.executor.image import Compiled, Image
from wasmdeploy_driver.executor.launch import Launch
from wasmdeploy_driver.executor.outbound import opens_sockets, rules_of
from wasmdeploy_driver.guest.binary import Binary, Form, app_form, command_form, with_sockets
from wasmdeploy_driver.guest.preopen import Preopen
from wasmdeploy_driver.task import Component, Limits, Task
from wasmdeploy_driver.variables import Values

if TYPE_CHECKING:
    from wasmdeploy_driver.guest.answerer import Answerer
    from wasmdeploy_driver.guest.bounds import Bounds
    from wasmdeploy_driver.guest.call import AskTrailers, Call, Outcome
    from wasmdeploy_driver.guest.engine import Engine
    from wasmdeploy_driver.guest.reuse import Reuse

Notify = Callable[[str, str], None]
Load = Callable[[], "list[Answerer]"]


class Command(Protocol):
    """A guest that runs once."""

    def run(self) -> int:
        """Run to the end and give the exit code; raises GuestTrap or GuestTimeout."""
        ...


def compile_all(launch: Launch, notify: Notify) -> dict[str, Compiled]:
    """Read, check and compile every guest of the task, by component name ("" for a command).

    Runs before the executor joins its cgroup: a compile may need more memory than the app. Raises
    ConfigError, GuestError, ExecutorError.
    """
    task = launch.task
    if task.module:
        return {"": _compile(launch, None, task.module, task.digest, notify)}
    return {
        each.name: _compile(launch, each, each.source, each.digest, notify)
        for each in task.component
        if not each.engine
    }


def _compile(
    launch: Launch, component: Component | None, source: str, digest: str, notify: Notify
) -> Compiled:
    from wasmdeploy_driver.guest.cache import Cache

    shown = f"component {component.name!r} ({source})" if component else source
    name = component.name if component else Path(source).name
    limits = launch.task.limits_of(component) if component else launch.task.limits
    with guest_file(launch, source, digest, shown) as guest:
        form = _form(component or launch.task, guest.binary, shown)
        cache = Cache(launch.cache, launch.cache_bytes)
        path = cache.compiled(guest, form, name, notify, fuel=limits.fuel > 0)
    return Compiled(shown, open_entry(path), form)


def compile_here(launch: Launch) -> Compiled:
    """The task's command, compiled in this process, for one that the cache is closed to; raises as `compile_all`."""
    from wasmdeploy_driver.guest.compile import compile_guest

    task = launch.task
    with guest_file(launch, task.module, task.digest, task.module) as guest:
        form = _form(task, guest.binary, task.module)
        code = compile_guest(guest.read(), form, fuel=task.limits.fuel > 0)
    return Compiled(task.module, memory_file(bytes(code)), form)


def _form(what: Component | Task, binary: Binary, shown: str) -> Form:
    if isinstance(what, Component):
        form = app_form(binary, shown, wagi=what.executor == "wagi", entrypoint=what.entrypoint)
    else:
        form = command_form(binary, shown)
    return with_sockets(form, binary) if opens_sockets(what.allowed_outbound_hosts, shown) else form


def open_entry(path: Path) -> int:
    """Hold an entry of the cache, which may drop the file before all have loaded it; raises ExecutorError."""
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise ExecutorError(f"compile cache: {path}: {error.strerror}") from error


def load_guests(image: Image, watch: Callable[[], None] | None = None) -> Guests:
    """Load every component of an app, and give what runs them; raises ConfigError, GuestError.

    `watch` is called every few milliseconds while a guest runs.
    """
    from wasmdeploy_driver.guest.engine import Engine

    task = image.launch.task

    def loader(values: Values) -> Load:
        loaders = [(_loader(image, each, values), task.limits_of(each).fuel > 0) for each in task.component]

        def load() -> list[Answerer]:
            engines = {fuel: Engine(watch, fuel=fuel) for fuel in {fuel for _, fuel in loaders}}
            return [load(engines[fuel]) for load, fuel in loaders]

        return load

    stays = any(component.isolation == "instance" for component in task.component)
    return Guests(loader, image.values, stays=stays)


class Guests:
    """The guests of an app, by the numbers of their components; they stay loaded at rest where their instances do.

    `loader` gives what loads them with an app's variables; it raises ConfigError for values that do not fit.
    """

    def __init__(self, loader: Callable[[Values], Load], values: Values, *, stays: bool) -> None:
        self._loader = loader
        self._stays = stays
        self._load = self._next = loader(values)
        self._guests = self._load()

    def __call__(
        self, call: Call, stdout: str, stdin: str = "", request_trailers: AskTrailers | None = None
    ) -> Outcome:
        """Run the guest of a call to its end."""
        return self._loaded(call.component).run(call, stdout, stdin, request_trailers)

    def prepare(self, component: int) -> None:
        """Make ready for the next call of a component what does not depend on it."""
        self._loaded(component).prepare()

    def tidy(self, component: int) -> None:
        """Let go of what the last call of a component left."""
        if self._guests:
            self._guests[component].tidy()

    def renew(self, values: Values) -> None:
        """Give guests these values from the next call on; may be called while one runs. Raises ConfigError."""
        self._next = self._loader(values)

    def _loaded(self, component: int) -> Answerer:
        if self._load is not self._next:
            for guest in self._guests:
                guest.close()
            self._load, self._guests = self._next, []
        if not self._guests:
            self._guests = self._load()
        return self._guests[component]

    def rest(self) -> None:
        """Give the memory of engines, code and guests back; the next call loads them anew, in milliseconds."""
        from wasmdeploy_driver.guest.trim import trim

        if self._guests and not self._stays:
            while self._guests:
                self._guests.pop().close()  # with no name for it: the last must be gone before what is free goes back
            trim()


def _loader(image: Image, component: Component, values: Values) -> Callable[[Engine], Answerer]:
    """What loads a component, as often as it is called; what does not depend on its code is settled now."""
    from wasmdeploy_driver.guest.answerer import Answerer
    from wasmdeploy_driver.guest.component import LoadedComponent
    from wasmdeploy_driver.guest.module import LoadedModule
    from wasmdeploy_driver.guest.reuse import ReusedInstances
    from wasmdeploy_driver.guest.sandbox import Context

    where = f"component.{component.name}"
    compiled = image.compiled[component.name]
    environment = values.fill_all(component.environment, f"{where}.environment")
    context = Context(environment, (), image.dirs[component.name], network=compiled.has_sockets)
    rules = rules_of(component.allowed_outbound_hosts, values, f"{where}.allowed_outbound_hosts")
    limits = image.launch.task.limits_of(component)
    bounds = bounds_of(limits, where)
    reuse = reuse_of(component)
    if reuse and not compiled.answers_http:
        raise ConfigError(
            f'{where}: a program that prints its response runs once, so its isolation is "request"'
        )
    if compiled.form == "module":
        return lambda engine: Answerer(
            LoadedModule(engine, compiled.path, compiled.name, entrypoint=component.entrypoint),
            context,
            bounds,
            may_exit=True,
        )
    variables = values.fill_all(component.variables, f"{where}.variables")
    alone = len(image.launch.task.component) == 1

    def load(engine: Engine) -> Answerer:
        http = compiled.answers_http
        # An engine has its own, as it runs one guest at a time.
        reach = Reach(rules, limits.outbound_calls) if compiled.has_sockets else None
        loaded = LoadedComponent(engine, compiled.path, variables, compiled.name, calls_out=http, reach=reach)
        runner = ReusedInstances(loaded, reuse) if reuse else loaded
        answerer = Answerer(runner, context, bounds, loaded.told if http else None, may_exit=not http)
        # The instance that shows whether it fits is the first request's, where the guest has the pool for itself.
        if not (alone and answerer.prepare()):
            loaded.check()
        return answerer

    return load


def load_command(launch: Launch, compiled: Compiled, values: Values, dirs: Sequence[Preopen]) -> Command:
    """Load the task's command, with its directories open; raises ConfigError, GuestError."""
    from wasmdeploy_driver.guest.command import Command as GuestCommand
    from wasmdeploy_driver.guest.component import LoadedComponent
    from wasmdeploy_driver.guest.engine import Engine
    from wasmdeploy_driver.guest.module import LoadedModule
    from wasmdeploy_driver.guest.sandbox import Context

    task = launch.task
    engine = Engine(fuel=task.limits.fuel > 0)
    environment = {**launch.environment, **values.fill_all(task.env, "env")}
    args = (Path(task.module).name, *(values.fill(arg, "args") for arg in task.args))
    rules = rules_of(task.allowed_outbound_hosts, values, "allowed_outbound_hosts")
    for text, rule in zip(task.allowed_outbound_hosts, rules.rules, strict=True):
        if not rule.is_for_sockets:
            raise ConfigError(
                f"allowed_outbound_hosts: {text!r}: a command has sockets only, and sends no requests by wasi:http",
                f"allow tcp://HOST:{PORTS[rule.scheme]}",
            )
    context = Context(environment, args, dirs, network=compiled.has_sockets)
    # The time limit is for requests; how long a command takes is the job's business.
    bounds = replace(bounds_of(task.limits), seconds=0)
    if compiled.form == "module":
        module = LoadedModule(engine, compiled.path, compiled.name, once=True)
        return GuestCommand(module, context, bounds)
    variables = values.fill_all(task.variables, "variables") or {
        name: secret.reveal() for name, secret in values.by_name.items()
    }
    reach = Reach(rules) if compiled.has_sockets else None
    loaded = LoadedComponent(engine, compiled.path, variables, compiled.name, reach=reach)
    loaded.check()
    return GuestCommand(loaded, context, bounds)


def bounds_of(limits: Limits, where: str = "") -> Bounds:
    """The limits of one run in bytes and seconds; raises ConfigError."""
    from wasmdeploy_driver.guest.bounds import Bounds

    place = f"{where}.limits" if where else "limits"
    if limits.memory_mb < 1:
        raise ConfigError(f"{place}.memory_mb must be at least 1")
    for name in ("fuel", "table_entries", "instances"):
        if getattr(limits, name) < 0:
            raise ConfigError(f"{place}.{name} must not be negative")
    return Bounds(
        limits.memory_mb << 20,
        seconds(limits.timeout, f"{place}.timeout"),
        seconds(limits.cpu_time, f"{place}.cpu_time"),
        limits.fuel,
        limits.table_entries,
        limits.instances,
    )


def reuse_of(component: Component) -> Reuse | None:
    """How long the component's instances are used, None for a fresh one each time; raises ConfigError."""
    from wasmdeploy_driver.guest.reuse import Reuse

    where = f"component.{component.name}"
    if component.isolation == "request":
        return None
    if component.isolation != "instance":
        raise ConfigError(f'{where}.isolation: {component.isolation!r} is neither "request" nor "instance"')
    if component.max_requests < 0:
        raise ConfigError(f"{where}.max_requests: {component.max_requests} is negative")
    return Reuse(component.max_requests, seconds(component.max_idle, f"{where}.max_idle"))
