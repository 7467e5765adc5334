"""Values for an app's variables as the command line gives them: `NAME=VALUE`, or `NAME=@FILE`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from wasmdeploy_cli.errors import ConfigError


def read_values(options: Iterable[str]) -> dict[str, str]:
    """The values of `--variable` options; the last of a name holds. A file's last newline is dropped."""
    values = {}
    for option in options:
        name, equals, value = option.partition("=")
        if not (name and equals):
            raise ConfigError(f"--variable {option}: expected NAME=VALUE or NAME=@FILE")
        values[name] = _contents(name, Path(value[1:])) if value.startswith("@") else value
    return values


def _contents(name: str, path: Path) -> str:
    try:
        return path.read_bytes().decode().removesuffix("\n")
    except OSError as error:
        raise ConfigError(f"--variable {name}=@{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"--variable {name}=@{path}: not UTF-8 text") from error
