"""The driver's `Task` of an app; `up` and `deploy` run the same one."""

from __future__ import annotations

from collections.abc import Mapping

from wasmdeploy_cli.errors import ConfigError
from wasmdeploy_cli.manifest.app import App, Variable
from wasmdeploy_cli.manifest.component import CommandTrigger
from wasmdeploy_cli.manifest.deploy import Deploy
from wasmdeploy_cli.manifest.place import nearest
from wasmdeploy_driver import task
from wasmdeploy_driver.duration import seconds

PAYLOAD = "payload"
"""The file in the task's `local` directory that a dispatch's payload is written to."""


def make_task(
    app: App,
    sources: Mapping[str, str],
    digests: Mapping[str, str] | None = None,
    values: Mapping[str, str] | None = None,
) -> task.Task:
    """Make the task of `app`: `sources` are its components' files where it runs, `digests` their `sha256:…`.

    `values` are the plain variables' values, in place of their defaults. A secret's value is no part of a
    task: giving one is a ConfigError, as is an unknown name or a required variable without a value.
    """
    values = values or {}
    check_values(app, values)
    variables = tuple(_variable(app, name, variable, values) for name, variable in app.variables.items())
    if app.command:
        return _command(app, app.command, variables, sources, digests or {})
    return task.Task(
        app=app.name,
        namespace=app.namespace,
        http=task.Http(),
        component=tuple(
            task.Component(
                name=name,
                source=sources[name],
                digest=(digests or {}).get(name, ""),
                route=app.routes(name),
                engine=component.engine,
                executor="wagi" if app.executor(name).type == "wagi" else "",
                argv=app.executor(name).argv,
                entrypoint=app.executor(name).entrypoint,
                environment=component.environment,
                variables=component.variables,
                allowed_outbound_hosts=component.allowed_outbound_hosts,
                limits=app.component_limits(name),
                isolation=component.isolation,
                max_requests=component.max_requests,
                max_idle=component.max_idle,
            )
            for name, component in app.component.items()
        ),
        variable=variables,
        refresh=app.deploy.vault.refresh,
        limits=app.limits,
        idle_timeout=app.deploy.idle_timeout,
        health_path=_checked(app),
    )


def _command(
    app: App,
    command: CommandTrigger,
    variables: tuple[task.Variable, ...],
    sources: Mapping[str, str],
    digests: Mapping[str, str],
) -> task.Task:
    name = command.component
    component = app.component[name]
    return task.Task(
        app=app.name,
        namespace=app.namespace,
        module=sources[name],
        digest=digests.get(name, ""),
        args=command.args,
        env=component.environment,
        stdin=f"local/{PAYLOAD}" if app.takes_payload else "",
        variables=component.variables,
        allowed_outbound_hosts=component.allowed_outbound_hosts,
        dir=(task.Dir("local", "/local", readonly=True),) if app.takes_payload else (),
        variable=variables,
        limits=app.component_limits(name) or app.limits,
    )


def _checked(app: App) -> str:
    """The path of the app's own check, which the driver must know where it parks the app."""
    own = app.deploy.health_path != Deploy().health_path
    return app.deploy.health_path if own and seconds(app.deploy.idle_timeout, "idle_timeout") else ""


def _variable(app: App, name: str, variable: Variable, values: Mapping[str, str]) -> task.Variable:
    if variable.secret:
        below = app.deploy.vault.path
        return task.Variable(name, secret=True, vault=variable.vault or (f"{below}#{name}" if below else ""))
    value = values.get(name, variable.default)
    assert value is not None  # noqa: S101  # check_values has said so
    return task.Variable(name, value=value)


def check_values(app: App, values: Mapping[str, str]) -> None:
    """Raise ConfigError where `values` names what is no plain variable, or a required one has none."""
    for name in values:
        if name not in app.variables:
            hint = nearest(name, list(app.variables), "variables")
            raise ConfigError(f"{app.path} has no variable {name!r}", hint)
        if app.variables[name].secret:
            raise ConfigError(
                f"variable {name!r} is a secret, whose value comes from Vault",
                f"store it: wasmdeploy secrets set {name}",
            )
    for name, variable in app.variables.items():
        if variable.required and not variable.secret and name not in values:
            raise ConfigError(
                f"variable {name!r} is required and has no value", f"give it with --variable {name}=VALUE"
            )
