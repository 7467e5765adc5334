"""What an operator does not let a job have."""

from __future__ import annotations

from wasmdeploy_driver.duration import seconds
from wasmdeploy_driver.errors import ConfigError
from wasmdeploy_driver.plugin.config import MaxLimits, PluginConfig
from wasmdeploy_driver.task import Limits, Task


def refuse_excess(config: PluginConfig, task: Task) -> None:
    """Raise ConfigError where a task asks for more than the plugin's configuration allows."""
    _bound(config.max_limits, task.limits, "limits", timed=task.http is not None)
    for component in task.component:
        where = f"component.{component.name}"
        _bound(config.max_limits, task.limits_of(component), f"{where}.limits", timed=True)
        if component.allowed_outbound_hosts and not config.allow_network:
            raise ConfigError(
                f"{where}.allowed_outbound_hosts: guests call nobody on this node",
                "leave it out, or constrain the job",
            )
    engines = {component.engine or "in-process" for component in task.component} or {"in-process"}
    if refused := sorted(engines - set(config.engines)):
        raise ConfigError(
            f"this node runs no guests with the engine {refused[0]}",
            f"it has {', '.join(config.engines) or 'none'}",
        )


def _bound(most: MaxLimits, limits: Limits, where: str, *, timed: bool) -> None:
    if most.memory_mb and limits.memory_mb > most.memory_mb:
        raise ConfigError(
            f"{where}.memory_mb: {limits.memory_mb} is more than this node allows",
            f"at most {most.memory_mb}",
        )
    if timed and most.timeout:
        asked = seconds(limits.timeout, f"{where}.timeout")
        if not asked or asked > seconds(most.timeout, "max_limits.timeout"):
            raise ConfigError(
                f"{where}.timeout: {limits.timeout} is more than this node allows", f"at most {most.timeout}"
            )
