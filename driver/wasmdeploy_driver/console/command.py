"""What a command of the console is, and how it says that it was called wrongly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from wasmdeploy_driver.console.streams import Streams
from wasmdeploy_driver.errors import ConfigError
from wasmdeploy_driver.executor.launch import Launch


@dataclass(frozen=True, slots=True)
class Place:
    """The task that the console belongs to: its launch, and the state directory with the control socket."""

    launch: Launch
    state: Path


# Runs with its arguments and gives the exit code; raises WasmdeployError, which becomes a line and its code.
Run = Callable[[Place, Streams, Sequence[str]], int]


@dataclass(frozen=True, slots=True)
class Command:
    """A command as `help` shows it."""

    name: str
    usage: str
    about: str
    run: Run


def wrong(usage: str) -> ConfigError:
    """It was called wrongly."""
    return ConfigError(f"usage: {usage}")


def printable(text: str) -> str:
    """Text without what would move a terminal's cursor."""
    return "".join(each if each.isprintable() else "�" for each in text)
