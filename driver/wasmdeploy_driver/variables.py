"""An app's variables: their values, secrets included, and the templates that use them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from wasmdeploy_driver.errors import ConfigError, SecretError
from wasmdeploy_driver.secrets import Secret, SecretSource
from wasmdeploy_driver.task import Task, Variable

TEMPLATE = re.compile(r"\{\{\s*([a-z][a-z0-9_]*)\s*\}\}")


@dataclass(frozen=True, slots=True)
class Values:
    """The application variables by name; every value is wrapped, secret or not."""

    by_name: Mapping[str, Secret]

    def fill(self, template: str, where: str) -> str:
        """Replace each `{{ name }}`; raises ConfigError for a name that is no variable."""

        def value(match: re.Match[str]) -> str:
            try:
                return self.by_name[match[1]].reveal()
            except KeyError:
                raise ConfigError(f"{where}: there is no variable {match[1]!r}") from None

        return TEMPLATE.sub(value, template)

    def fill_all(self, templates: Mapping[str, str], where: str) -> dict[str, str]:
        """Fill every value of a map."""
        return {key: self.fill(template, f"{where}.{key}") for key, template in templates.items()}


def vault_location(task: Task, variable: Variable, mount: str = "secret") -> tuple[str, str]:
    """Where a secret variable lies: (path with its mount, field); `mount` is for one that names no path."""
    default = f"{mount}/{task.namespace}/{task.app}"
    path, _, field = variable.vault.partition("#")
    return path or default, field or variable.name


def resolve(task: Task, secrets: SecretSource, mount: str = "secret") -> Values:
    """Read every variable of the task; raises SecretError naming the secrets that are missing.

    `mount` is the KV mount of secrets that name no path.
    """
    values: dict[str, Secret] = {}
    missing: dict[str, str] = {}
    for variable in task.variable:
        if variable.secret:
            path, field = vault_location(task, variable, mount)
            secret = secrets.read(path, field)
            if secret is None:
                why = ": the path has no such field" if secrets.has(path) else ""
                missing[variable.name] = f"{variable.name} ({path}#{field}{why})"
            else:
                values[variable.name] = secret
        elif variable.value is None:
            raise ConfigError(f"variable {variable.name!r} has no value", "give it a default, or set it")
        else:
            values[variable.name] = Secret(variable.value)
    if missing:
        raise SecretError(
            f"no such secret: {', '.join(missing.values())}",
            f"store it: wasmdeploy secrets set {next(iter(missing))}, or vault kv put; then start again",
        )
    return Values(values)
