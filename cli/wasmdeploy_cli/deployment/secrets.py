"""An app's secrets in Vault: storing one, and which there are."""

from __future__ import annotations

import getpass
import sys
from dataclasses import dataclass
from pathlib import Path

from wasmdeploy_cli.deployment.checks import vault_of
from wasmdeploy_cli.errors import ConfigError, SecretError
from wasmdeploy_cli.job import make_task
from wasmdeploy_cli.manifest import App
from wasmdeploy_cli.nomad import Settings
from wasmdeploy_driver.secrets import Secret, VaultSecrets
from wasmdeploy_driver.variables import vault_location


@dataclass(frozen=True, slots=True)
class Stored:
    """A secret variable, its place in Vault, and whether there is a value."""

    name: str
    path: str
    field: str
    there: bool


def read_value(name: str, file: Path | None) -> Secret:
    """The value of a secret from a file, the terminal or standard input, without a last newline."""
    if file is not None:
        try:
            return Secret(file.read_text().removesuffix("\n"))
        except OSError as error:
            raise ConfigError(f"--file {file}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"--file {file}: not UTF-8 text") from error
    if sys.stdin.isatty():
        return Secret(getpass.getpass(f"Value of {name}: "))
    return Secret(sys.stdin.read().removesuffix("\n"))


def store(app: App, name: str, value: Secret, settings: Settings) -> int:
    """Store a secret variable's value and give its version in Vault; raises ConfigError, SecretError."""
    for each in _places(app):
        if each.name == name:
            return _vault(settings).write(each.path, each.field, value)
    raise ConfigError(
        f"{app.path} has no secret variable {name!r}", f"its secrets are: {', '.join(app.secrets) or 'none'}"
    )


def stored(app: App, settings: Settings) -> list[Stored]:
    """The app's secret variables and whether Vault has them; raises SecretError."""
    vault = _vault(settings)
    return [
        Stored(each.name, each.path, each.field, vault.read(each.path, each.field) is not None)
        for each in _places(app)
    ]


def _places(app: App) -> list[Stored]:
    plain = {name: "" for name, variable in app.variables.items() if not variable.secret}
    task = make_task(app, dict.fromkeys(app.component, ""), values=plain)
    return [Stored(each.name, *vault_location(task, each), there=False) for each in task.secrets]


def _vault(settings: Settings) -> VaultSecrets:
    if not settings.vault:
        raise SecretError("no Vault is known here", "set VAULT_ADDR and VAULT_TOKEN, or: wasmdeploy stack up")
    return vault_of(settings)
