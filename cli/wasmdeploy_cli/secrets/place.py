"""Where in Vault an app's secret variables lie."""

from __future__ import annotations

from dataclasses import dataclass

from wasmdeploy_cli.errors import ConfigError
from wasmdeploy_cli.job import make_task
from wasmdeploy_cli.manifest import App
from wasmdeploy_driver.secrets import is_dynamic
from wasmdeploy_driver.variables import vault_location


@dataclass(frozen=True, slots=True)
class Place:
    """A secret variable, and its path (mount first) and field in Vault."""

    name: str
    path: str
    field: str

    @property
    def dynamic(self) -> bool:
        """Whether an engine makes the value when it is read, like `database/creds/app`: nothing is stored there."""
        return is_dynamic(self.path)

    def __str__(self) -> str:
        return f"{self.path}#{self.field}"


def of_app(app: App) -> tuple[Place, ...]:
    """The places of all secret variables, in the manifest's order."""
    plain = {name: "" for name, variable in app.variables.items() if not variable.secret}
    task = make_task(app, dict.fromkeys(app.component, ""), values=plain)
    return tuple(Place(each.name, *vault_location(task, each)) for each in task.secrets)


def of_name(app: App, name: str) -> Place:
    """The place of one that can be stored; raises ConfigError for a name that is no secret variable."""
    for each in of_app(app):
        if each.name == name:
            if each.dynamic:
                raise ConfigError(
                    f"secret {name!r} is made by Vault at {each}, and not stored",
                    "leave it out: a task asks Vault for it at its start",
                )
            return each
    raise ConfigError(
        f"{app.path} has no secret variable {name!r}",
        f"its secrets are: {', '.join(app.secrets) or 'none'}; "
        f"one is declared below [variables]: {name} = {{ secret = true }}",
    )
