"""The command line of `wasmtime serve` for a component, and what it cannot promise."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from wasmdeploy_driver.duration import seconds
from wasmdeploy_driver.egress.rules import SOCKETS
from wasmdeploy_driver.errors import ConfigError
from wasmdeploy_driver.executor.prepare import bounds_of, reuse_of
from wasmdeploy_driver.guest.binary import Binary
from wasmdeploy_driver.guest.preopen import Preopen
from wasmdeploy_driver.task import Component, Limits, Task
from wasmdeploy_driver.variables import TEMPLATE, Values

ENGINE = "wasmtime"
ANY_HOST = "*://*:*"
_OUTGOING = re.compile(r"wasi:http/(?:outgoing-handler@0\.2|(?:client|handler)@0\.3)\.")
# Limits that only an executor in between could keep.
_UNKEPT = ("cpu_time", "request_bytes", "response_bytes", "queue", "outbound_calls")
_DEFAULTS = Limits()
# Where the task sets no bound: longer than anything lives.
_EVER = 10 * 365 * 86400
_UNBOUNDED = (1 << 32) - 1


def external_component(task: Task) -> Component | None:
    """The component that runs under the wasmtime command line, None where none does; raises ConfigError.

    It takes every request of the app, for there is nobody who would hand it only some.
    """
    chosen = [component for component in task.component if component.engine]
    for component in chosen:
        where = f"component.{component.name}"
        if component.engine != ENGINE:
            raise ConfigError(f'{where}.engine: {component.engine!r} is not "wasmtime"')
        if len(task.component) > 1 or "/..." not in component.route:
            raise ConfigError(
                f'{where}: engine = "wasmtime" needs an app of this component alone, with the route /...',
                "make it an app of its own",
            )
        if component.executor == "wagi":
            raise ConfigError(f'{where}: engine = "wasmtime" runs no WAGI programs', "leave out the engine")
    return chosen[0] if chosen else None


def serve_arguments(
    task: Task, component: Component, binary: Binary, values: Values, preopens: Iterable[Preopen]
) -> list[str]:
    """The arguments behind `wasmtime`, all but the guest's file; raises ConfigError for what it cannot do."""
    _check_outgoing(component, binary)
    arguments = [
        "serve",
        "--systemd-listenfd",
        "--no-logging-prefix",
        "--allow-precompiled",
        "-S",
        "cli=y",
        "-S",
        "config=y",
    ]
    limits = task.limits_of(component)
    arguments += [*code_arguments(limits, binary), *(("-S", "p3=y") if binary.wasi_03 else ())]
    arguments += [*_limits(limits, f"component.{component.name}"), *_instances(component)]
    for name, value in _public(task, component, "environment", component.environment, values).items():
        arguments += ["--env", f"{name}={value}"]
    variables = _public(task, component, "variables", component.variables, values)
    for name, value in variables.items():
        if "," in value:
            raise ConfigError(
                f"component.{component.name}.variables.{name}: wasmtime's command line takes no value with a comma",
                "pass it as environment",
            )
        arguments += ["-S", f"config-var={name}={value}"]
    for preopen in preopens:
        if preopen.readonly:
            raise ConfigError(
                f"component.{component.name}: {preopen.guest}: wasmtime's command line cannot refuse writes",
                "leave out readonly, or the engine",
            )
        arguments += ["--dir", f"{preopen.host}::{preopen.guest}"]
    return arguments


def code_arguments(limits: Limits, binary: Binary) -> list[str]:
    """What the compiled code depends on, the same when it is compiled and when it is run."""
    timed = "y" if seconds(limits.timeout, "limits.timeout") else "n"
    counted = ["-W", f"fuel={limits.fuel}"] if limits.fuel > 0 else []
    asynchronous = ["-W", "component-model-async=y"] if binary.wasi_03 else []
    return ["-W", f"epoch-interruption={timed}", *counted, *asynchronous]


def _check_outgoing(component: Component, binary: Binary) -> None:
    outgoing = next((name for name in binary.imports if _OUTGOING.match(name)), None)
    if outgoing and ANY_HOST not in component.allowed_outbound_hosts:
        raise ConfigError(
            f"component.{component.name} can send requests (it imports {outgoing}), and the wasmtime command line "
            "cannot restrict them to allowed_outbound_hosts",
            f'allow "{ANY_HOST}", or leave out the engine',
        )
    for text in component.allowed_outbound_hosts:
        if text.partition("://")[0] in SOCKETS:
            raise ConfigError(
                f"component.{component.name}.allowed_outbound_hosts: {text!r}: the wasmtime command line cannot "
                "restrict sockets to a list, so a component has none under it",
                "leave it out, or the engine",
            )


def _limits(limits: Limits, where: str) -> list[str]:
    for name in _UNKEPT:
        if getattr(limits, name) != getattr(_DEFAULTS, name):
            raise ConfigError(
                f"{where}.limits.{name}: the wasmtime command line has no such limit",
                "leave it out, or the engine",
            )
    bounds = bounds_of(limits, where)
    arguments = ["-W", f"max-memory-size={bounds.memory}", "-W", f"max-table-elements={bounds.tables}"]
    if bounds.instances:
        arguments += ["-W", f"max-instances={bounds.instances}"]
    if bounds.seconds:
        arguments += ["-W", f"timeout={_milliseconds(bounds.seconds)}ms"]
    if limits.concurrency < 1:
        raise ConfigError(f"{where}.limits.concurrency must be at least 1, is {limits.concurrency}")
    return [*arguments, "--max-concurrent-requests", str(limits.concurrency)]


def _instances(component: Component) -> list[str]:
    """Also without reuse the counts are given: wasmtime reuses the instances of WASI 0.3 by itself."""
    reuse = reuse_of(component)
    if reuse is None:
        return ["--max-instance-reuse-count", "1", "--max-instance-concurrent-reuse-count", "1"]
    idle = _milliseconds(reuse.max_idle or _EVER)
    return [
        "--max-instance-reuse-count",
        str(reuse.max_requests or _UNBOUNDED),
        "--idle-instance-timeout",
        f"{idle}ms",
    ]


def _milliseconds(duration: float) -> int:
    return max(1, round(duration * 1000))


def _public(
    task: Task, component: Component, key: str, templates: Mapping[str, str], values: Values
) -> dict[str, str]:
    """The values filled in; a secret among them would stand in the child's arguments, for all to read."""
    secret = {variable.name for variable in task.secrets}
    for name, template in templates.items():
        for used in TEMPLATE.findall(template):
            if used in secret:
                raise ConfigError(
                    f"component.{component.name}.{key}.{name}: {used!r} is a secret, which the wasmtime command line "
                    "would show in its arguments",
                    "leave out the engine",
                )
    return values.fill_all(templates, f"component.{component.name}.{key}")
