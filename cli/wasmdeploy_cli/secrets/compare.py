"""What differs between the manifest, Vault, a file and what runs; values are compared and never shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from wasmdeploy_cli.secrets.place import Place
from wasmdeploy_cli.vault import Version
from wasmdeploy_driver.secrets import Secret

State = Literal["same", "missing", "changed", "new", "unused", "unknown"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One secret; `detail` says what about it."""

    name: str
    place: str
    state: State
    detail: str = ""


def with_running(
    places: Iterable[Place], stored: Mapping[str, Version], revision: str | None
) -> list[Difference]:
    """Vault beside what the running version read; `revision` is its job's (`PATH@VERSION …`), None without a job."""
    read = _versions(revision or "")
    places = tuple(places)
    found = [_beside(place, stored.get(place.path), read, revision is not None) for place in places]
    used = {(place.path, place.field) for place in places}
    unused = [
        Difference(name, f"{path}#{name}", "unused", "no variable of the manifest reads it")
        for path, version in stored.items()
        for name in sorted(version.fields)
        if (path, name) not in used
    ]
    return found + unused


def _beside(place: Place, version: Version | None, read: Mapping[str, int], runs: bool) -> Difference:
    if place.dynamic or version is None:
        return Difference(place.name, str(place), "unknown", "made by Vault when it is read")
    if version.secret(place.field) is None:
        return Difference(place.name, str(place), "missing", "store it: wasmdeploy secrets set " + place.name)
    if not runs:
        return Difference(place.name, str(place), "new", f"version {version.number}; the app is not deployed")
    if place.path not in read:
        return Difference(
            place.name,
            str(place),
            "unknown",
            f"version {version.number}; the running job does not say which it read",
        )
    if read[place.path] != version.number:
        return Difference(
            place.name, str(place), "changed", f"version {version.number}; deployed with {read[place.path]}"
        )
    return Difference(place.name, str(place), "same", f"version {version.number}")


def with_values(
    places: Iterable[Place], stored: Mapping[str, Version], values: Mapping[str, Secret]
) -> list[Difference]:
    """A file's values beside Vault's: what `import` would change."""
    known = {place.name: place for place in places}
    differences = []
    for name, value in values.items():
        place = known[name]
        there = stored.get(place.path, Version()).secret(place.field)
        state: State = "new" if there is None else "same" if there == value else "changed"
        differences.append(Difference(name, str(place), state))
    return differences


def _versions(revision: str) -> dict[str, int]:
    found = {}
    for word in revision.split():
        path, _, number = word.rpartition("@")
        if path and number.isdigit():
            found[path] = int(number)
    return found
