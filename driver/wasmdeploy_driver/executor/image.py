"""`Image`: what an app's guests are loaded from, in this process and in each engine process."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wasmdeploy_driver.executor.launch import Launch
from wasmdeploy_driver.guest.binary import Form
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


@dataclass(frozen=True, slots=True)
class Image:
    """A task, its compiled guests by component name, and its variables, secrets included."""

    launch: Launch
    compiled: Mapping[str, Compiled]
    values: Values

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What `from_bytes` needs beside the bytes."""
        return tuple(each.descriptor for each in self.compiled.values())

    def to_bytes(self) -> bytes:
        """For a memory file that only this task's processes see: the secrets are in it."""
        return json.dumps(
            {
                "launch": self.launch.to_json(),
                "compiled": [[name, each.name, each.form] for name, each in self.compiled.items()],
                "values": {name: secret.reveal() for name, secret in self.values.by_name.items()},
            }
        ).encode()

    @classmethod
    def from_bytes(cls, content: bytes, descriptors: Sequence[int]) -> Image:
        """The image that `to_bytes` wrote, with the same descriptors in the same order."""
        data = json.loads(content)
        return cls(
            Launch.from_json(data["launch"]),
            {
                key: Compiled(name, descriptor, form)
                for (key, name, form), descriptor in zip(data["compiled"], descriptors, strict=True)
            },
            Values({name: Secret(value) for name, value in data["values"].items()}),
        )
