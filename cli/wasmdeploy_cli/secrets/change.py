"""Changing secrets so that nobody's change is lost: read, change our fields, write only over what was read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from wasmdeploy_cli.errors import SecretError
from wasmdeploy_cli.secrets.place import Place
from wasmdeploy_cli.vault import Kv, Version
from wasmdeploy_driver.secrets import Secret

_TRIES = 5
_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Written:
    """A path's version after a change; `changed` are the secrets that have another value in it now."""

    path: str
    version: int
    changed: tuple[str, ...]


def change(kv: Kv, wanted: Mapping[Place, Secret | None]) -> list[Written]:
    """Give each place its value, or none, one new version for each path; a path without a change stays as it is.

    Raises SecretError, where a field was changed by somebody else meanwhile too; other fields' changes are kept.
    """
    paths: dict[str, dict[Place, Secret | None]] = {}
    for place, value in wanted.items():
        paths.setdefault(place.path, {})[place] = value
    return [_written(kv, path, values) for path, values in paths.items()]


def _written(kv: Kv, path: str, wanted: Mapping[Place, Secret | None]) -> Written:
    seen = kv.read(path)
    before = seen
    for _ in range(_TRIES):
        changed = tuple(place.name for place, value in wanted.items() if seen.secret(place.field) != value)
        if not changed:
            return Written(path, seen.number, ())
        version = kv.write(path, _merged(seen, wanted), seen.number)
        if version is not None:
            return Written(path, version, changed)
        seen = kv.read(path)
        _require_untouched(before, seen, wanted)
    raise SecretError(f"{path} changes all the time", "try again later")


def _merged(seen: Version, wanted: Mapping[Place, Secret | None]) -> dict[str, object]:
    fields = dict(seen.fields)
    for place, value in wanted.items():
        if value is None:
            fields.pop(place.field, None)
        else:
            fields[place.field] = value.reveal()
    return fields


def _require_untouched(before: Version, now: Version, places: Iterable[Place]) -> None:
    for place in places:
        if before.fields.get(place.field, _ABSENT) != now.fields.get(place.field, _ABSENT):
            raise SecretError(
                f"{place.name} was changed by somebody else just now ({place}, version {now.number})",
                f"look at it with: wasmdeploy secrets get {place.name}; then try again",
            )
