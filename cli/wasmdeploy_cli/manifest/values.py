"""What the command line gives as `NAME=VALUE`; for an app's variables also `NAME=@FILE`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from wasmdeploy_cli.errors import ConfigError


def pairs(items: Iterable[str], option: str, form: str = "NAME=VALUE") -> dict[str, str]:
    """NAME=VALUE items as a map; raises ConfigError for what is no such item, and for a name that comes twice."""
    found: dict[str, str] = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not (name and equals):
            raise ConfigError(
                f"{option} {item}: expected {form}", "write a name, an equals sign, and the value"
            )
        if name in found:
            raise ConfigError(f"{option} {name} is given twice", "give it once")
        found[name] = value
    return found


def read_values(options: Iterable[str]) -> dict[str, str]:
    """The values of `--variable` options, like `pairs`. A file's last newline is dropped."""
    given = pairs(options, "--variable", "NAME=VALUE or NAME=@FILE")
    return {
        name: _contents(name, Path(value[1:])) if value.startswith("@") else value
        for name, value in given.items()
    }


def _contents(name: str, path: Path) -> str:
    try:
        return path.read_bytes().decode().removesuffix("\n")
    except OSError as error:
        raise ConfigError(
            f"--variable {name}=@{path}: {error.strerror}", "name a file that can be read"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"--variable {name}=@{path}: not UTF-8 text",
            "a variable is text: encode the file, in base64 for instance",
        ) from error
