"""`Image`: what an app's guests are loaded from, in this process and in each engine process."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wasmdeploy_driver.executor.files import open_dirs
from wasmdeploy_driver.executor.launch import Launch
from wasmdeploy_driver.guest.binary import Form
from wasmdeploy_driver.guest.preopen import Preopen
from wasmdeploy_driver.secrets import Secret
from wasmdeploy_driver.variables import Values


@dataclass(frozen=True, slots=True)
class Compiled:
    """A guest's compiled code, as a descriptor of its file, and what it was compiled as."""

    name: str
    descriptor: int
    form: Form

    @property
    def path(self) -> Path:
        """Where this process can open the code."""
        return Path(f"/proc/self/fd/{self.descriptor}")

    @property
    def answers_http(self) -> bool:
        """Whether it was composed to answer requests."""
        return self.form.startswith("http")

    @property
    def has_sockets(self) -> bool:
        """Whether the adapter's sockets stand between it and the host's."""
        return self.form.endswith("+sockets")


@dataclass(frozen=True, slots=True)
class Image:
    """A task, its compiled guests by component name, and its variables, secrets included."""

    launch: Launch
    compiled: Mapping[str, Compiled]
    values: Values
    dirs: Mapping[str, tuple[Preopen, ...]]  # the open directories of each component

    @classmethod
    def opened(cls, launch: Launch, compiled: Mapping[str, Compiled], values: Values) -> Image:
        """With the components' directories opened now; raises ConfigError."""
        return cls(
            launch,
            compiled,
            values,
            {each.name: open_dirs(launch, each.dir) for each in launch.task.component},
        )

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What `from_bytes` needs beside the bytes: those of the code, then those of the directories."""
        return (
            *(each.descriptor for each in self.compiled.values()),
            *(each.descriptor for each in self.preopens),
        )

    @property
    def preopens(self) -> tuple[Preopen, ...]:
        """The directories of all components."""
        return tuple(each for dirs in self.dirs.values() for each in dirs)

    def to_bytes(self) -> bytes:
        """For a memory file that only this task's processes see: the secrets are in it."""
        return json.dumps(
            {
                "launch": self.launch.to_json(),
                "compiled": [[name, each.name, each.form] for name, each in self.compiled.items()],
                "dirs": [
                    [name, each.guest, each.readonly] for name, dirs in self.dirs.items() for each in dirs
                ],
                "values": {name: secret.reveal() for name, secret in self.values.by_name.items()},
            }
        ).encode()

    @classmethod
    def from_bytes(cls, content: bytes, descriptors: Sequence[int]) -> Image:
        """The image that `to_bytes` wrote, with the same descriptors in the same order."""
        data = json.loads(content)
        launch = Launch.from_json(data["launch"])
        given = iter(descriptors)
        compiled = {key: Compiled(name, next(given), form) for key, name, form in data["compiled"]}
        dirs: dict[str, tuple[Preopen, ...]] = {each.name: () for each in launch.task.component}
        for name, guest, readonly in data["dirs"]:
            dirs[name] += (Preopen(next(given), guest, readonly),)
        return cls(
            launch, compiled, Values({name: Secret(value) for name, value in data["values"].items()}), dirs
        )
