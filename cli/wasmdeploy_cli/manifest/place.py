"""A manifest file and a place in it: what every manifest error is made from."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wasmdeploy_cli.errors import ConfigError
from wasmdeploy_cli.manifest.locate import key_lines

KEYS = "docs/manifest.md says what each key may be"
TOML = "https://toml.io/en/v1.0.0 says what TOML is"
_AT_LINE = re.compile(r" \(at line (\d+), column (\d+)\)$")


@dataclass(frozen=True, slots=True)
class Source:
    """One parsed TOML file."""

    path: Path
    data: Mapping[str, Any]
    lines: Mapping[tuple[str | int, ...], int]


@dataclass(frozen=True, slots=True)
class Place:
    """A key of a file, there or not."""

    source: Source
    path: tuple[str | int, ...] = ()

    def key(self, *keys: str | int) -> Place:
        """The place below this one."""
        return Place(self.source, (*self.path, *keys))

    @property
    def name(self) -> str:
        """The dotted key, as a person writes it."""
        return ".".join(_bare(key) for key in self.path if isinstance(key, str))

    @property
    def line(self) -> int:
        """The key's line, or that of the nearest table around it."""
        for end in range(len(self.path), 0, -1):
            if (line := self.source.lines.get(self.path[:end])) is not None:
                return line
        return 1

    def error(self, what: str, hint: str = "") -> ConfigError:
        """The one error for this place: file, line, key, what is wrong."""
        key = f"{self.name}: " if self.name else ""
        return ConfigError(f"{self.source.path}:{self.line}: {key}{what}", hint or KEYS)


_MOST_BYTES = 256 << 10


def read_source(path: Path) -> Source:
    """Parse a TOML file; raises ConfigError with the line for what is no TOML."""
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise ConfigError(
                f"{path} is larger than {_MOST_BYTES >> 10} KiB, which is no manifest", "name the manifest"
            )
        text = content.decode()
    except OSError as error:
        raise ConfigError(
            f"{path}: {error.strerror or error}", "name the manifest, or the directory it is in"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text: byte {error.start}", "save it as UTF-8") from error
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(path, text, str(error)) from error
    except RecursionError as error:
        raise ConfigError(f"{path}: nested too deeply", KEYS) from error
    return Source(path, data, key_lines(text.replace("\r\n", "\n")))


def nearest(key: str, valid: Collection[str], noun: str = "keys") -> str:
    """A hint for a name that is not among `valid`: the one it most resembles, or all of them."""
    if close := difflib.get_close_matches(key, valid, n=1, cutoff=0.5):
        return f"did you mean {close[0]!r}?"
    return f"valid {noun}: {', '.join(valid)}" if valid else f"there are no {noun}"


def _syntax_error(path: Path, text: str, message: str) -> ConfigError:
    if match := _AT_LINE.search(message):
        return ConfigError(
            f"{path}:{match[1]}: not valid TOML: {message[: match.start()]} (column {match[2]})", TOML
        )
    line = text.rstrip("\n").count("\n") + 1
    return ConfigError(
        f"{path}:{line}: not valid TOML: {message.removesuffix(' (at end of document)')}", TOML
    )


def _bare(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else f'"{key}"'
