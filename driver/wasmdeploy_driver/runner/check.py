"""What can be said against a task before anything is started for it."""

from __future__ import annotations

import re

from wasmdeploy_driver import duration
from wasmdeploy_driver.errors import ConfigError
from wasmdeploy_driver.task import Task, Variable

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def check(task: Task) -> None:
    """Raise ConfigError for the first thing that can never work."""
    if task.module and task.component:
        raise ConfigError(
            "the task has both `module` and `component`", "a command has `module`, an app `component`"
        )
    if not task.module and not task.component:
        raise ConfigError("the task names no guest", 'set `module`, or add `component "name" { source = … }`')
    if task.component and task.http is None:
        raise ConfigError("the task has components but no `http` block", 'add `http { port = "http" }`')
    if task.module and task.http is not None:
        raise ConfigError(
            "the task has `http` but only a command", "an app has `component` blocks, not `module`"
        )
    for name, given in (("stdin", task.stdin), ("variables", task.variables)):
        if given and not task.module:
            raise ConfigError(f"the task has `{name}` but no command", "it goes with `module`")
    _check_digest(task.digest, "digest")
    for component in task.component:
        _check_digest(component.digest, f"component {component.name!r}: digest")
        for route in component.route:
            if not route.startswith("/"):
                raise ConfigError(f"component {component.name!r}: route {route!r} does not begin with /")
    for variable in task.variable:
        _check_variable(variable)
    if task.limits.memory_mb <= 0:
        raise ConfigError(f"limits.memory_mb: {task.limits.memory_mb} is no amount of memory")
    duration.seconds(task.limits.timeout, "limits.timeout")
    if 0 < duration.seconds(task.refresh, "refresh") < 1:
        raise ConfigError(
            f"refresh: {task.refresh!r} is too often for Vault", "write 1s or more, or 0 for never"
        )
    _check_parkable(task)


def _check_parkable(task: Task) -> None:
    if not duration.seconds(task.idle_timeout, "idle_timeout"):
        return
    if not task.component:
        raise ConfigError("idle_timeout: only an app is parked, a command runs to its end", "remove it")
    if any(component.engine for component in task.component):
        raise ConfigError(
            'idle_timeout: an app with engine = "wasmtime" is not parked', "remove one of the two"
        )


def _check_digest(digest: str, where: str) -> None:
    if digest and not _DIGEST.fullmatch(digest):
        raise ConfigError(
            f"{where}: {digest!r} is no digest", "write it as sha256: and 64 hexadecimal digits"
        )


def _check_variable(variable: Variable) -> None:
    where = f"variable {variable.name!r}"
    if variable.secret and variable.value is not None:
        raise ConfigError(f"{where} is a secret and has a value", "a secret's value comes from Vault alone")
    if not variable.secret and variable.vault:
        raise ConfigError(f"{where} names a place in Vault but is no secret", "add `secret = true`")
    if not variable.secret and variable.value is None:
        raise ConfigError(f"{where} has no value", "give it `value`, or `secret = true`")
