"""A value that cannot be printed, and where one comes from."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import NoReturn, Protocol


class Secret:
    """A value that shows as [redacted] everywhere; `reveal()` hands it to the guest."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself."""
        return self._value

    def __repr__(self) -> str:
        return "[redacted]"

    def __format__(self, spec: str) -> str:
        return "[redacted]"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value.encode(), other._value.encode())

    __hash__ = None  # type: ignore[assignment]  # a hash would let a value be guessed through a set

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled")


class SecretSource(Protocol):
    """Where secret variables come from."""

    def read(self, path: str, field: str) -> Secret | None:
        """The field at `path` (mount first), None where there is none; raises SecretError when it cannot
        tell.
        """
        ...

    def has(self, path: str) -> bool:
        """Whether anything is at a path that was read."""
        ...


class GivenSecrets:
    """Secrets given by the caller, by field name: what `wasmdeploy up --variable` uses."""

    def __init__(self, values: Mapping[str, Secret]) -> None:
        self._values = values

    def read(self, path: str, field: str) -> Secret | None:
        """The value given for `field`, whatever its path."""
        return self._values.get(field)

    def has(self, path: str) -> bool:
        """Nothing is known of paths."""
        return False
