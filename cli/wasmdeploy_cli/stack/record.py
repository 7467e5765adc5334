"""What a stack wrote down about itself: its processes, ports and features."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from wasmdeploy_cli.errors import StackError
from wasmdeploy_cli.stack.config import Features
from wasmdeploy_cli.stack.processes import Process


@dataclass(frozen=True, slots=True)
class Record:
    """`members` has the process of each member that was started; `bin_dir` is empty unless it was given."""

    features: Features = field(default_factory=Features)
    ports: Mapping[str, int] = field(default_factory=dict)
    members: Mapping[str, Process] = field(default_factory=dict)
    bin_dir: str = ""

    def save(self, path: Path) -> None:
        """Write it, whole or not at all, where only its owner reads it."""
        temporary = path.with_suffix(".new")
        try:
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                json.dump(dataclasses.asdict(self), file, indent=2)
            temporary.replace(path)
        except OSError as error:
            raise StackError(
                f"{path}: {error.strerror}",
                "make room, let this user write there, or choose another --data-dir",
            ) from error

    @classmethod
    def load(cls, path: Path) -> Record | None:
        """Read it back; None where there is none."""
        try:
            data = json.loads(path.read_text())
            return cls(
                features=Features(**data["features"]),
                ports={str(name): int(port) for name, port in data["ports"].items()},
                members={str(name): Process(**process) for name, process in data["members"].items()},
                bin_dir=str(data.get("bin_dir", "")),
            )
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise StackError(
                f"{path}: cannot be read ({error})", "it is part of a stack; restore it"
            ) from error

    def with_member(self, name: str, process: Process) -> Record:
        """The record after `name` was started."""
        return dataclasses.replace(self, members={**self.members, name: process})

    def without(self, *names: str) -> Record:
        """The record after members were stopped."""
        return dataclasses.replace(self, members={n: p for n, p in self.members.items() if n not in names})
