"""A parked task: what an executor leaves behind where it ends, and what the next one begins with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from wasmdeploy_driver.secrets import Secret


@dataclass(frozen=True, slots=True)
class Shelved:
    """Descriptors: the control socket and the app's listener, which both listen; the task's stdout and stderr; a sealed
    memory file with the image and its secrets, see `pack`; the compiled guests in the image's order.
    """

    control: int
    listener: int
    stdout: int
    stderr: int
    image: int
    compiled: tuple[int, ...]

    @property
    def descriptors(self) -> tuple[int, ...]:
        """All of them, as `of` reads them back."""
        return (self.control, self.listener, self.stdout, self.stderr, self.image, *self.compiled)

    @classmethod
    def of(cls, descriptors: Sequence[int]) -> Shelved:
        """What `descriptors` gave; raises ValueError for too few."""
        if len(descriptors) < 6:
            raise ValueError("a parked task has more descriptors")
        control, listener, stdout, stderr, image, *compiled = descriptors
        return cls(control, listener, stdout, stderr, image, tuple(compiled))


def pack(image: bytes, token: Secret) -> bytes:
    """What only the task's next executor may see: the image, and its Vault token."""
    return json.dumps({"image": image.decode(), "token": token.reveal()}).encode()


def unpack(content: bytes) -> tuple[bytes, Secret]:
    """The image and the token again."""
    data = json.loads(content)
    return data["image"].encode(), Secret(data["token"])


@dataclass(frozen=True, slots=True)
class Wake:
    """What a woken executor begins with: what was held, the connections that wait, and when that was (monotonic)."""

    shelved: Shelved
    connections: tuple[int, ...]
    asked_at: float
