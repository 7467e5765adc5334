"""One walk over the manifest's classes turns TOML tables into them, or says which line is wrong."""

from __future__ import annotations

import dataclasses
import types
import unicodedata
from collections.abc import Mapping
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from wasmdeploy_cli.errors import ConfigError
from wasmdeploy_cli.manifest.place import Place, nearest
from wasmdeploy_cli.manifest.unserved import IGNORED, UNSERVED

T = TypeVar("T")

_NOUNS = {str: "a string", int: "a whole number", bool: "true or false", float: "a number", list: "a list"}


def keys(cls: type) -> dict[str, dataclasses.Field[Any]]:
    """The keys that a table of the manifest may have."""
    return {field.name: field for field in dataclasses.fields(cls) if field.metadata.get("key", True)}


def read(cls: type[T], data: Any, place: Place) -> T:
    """Build a `cls` from a TOML table; raises the ConfigError of the first key that is wrong."""
    if not isinstance(data, dict):
        raise place.error(f"expected a table, got {noun(data)}")
    hints = get_type_hints(cls)
    known = keys(cls)
    for key in data:
        if key not in known and key not in IGNORED.get(cls, ()):
            raise _unknown(cls, key, place.key(key))
    values: dict[str, Any] = {}
    for name, field in known.items():
        if name in data:
            values[name] = _checked(field, hints[name], data[name], place.key(name))
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise place.key(name).error("missing")
    return cls(**values)


def noun(value: Any) -> str:
    """A TOML value's type in a reader's words."""
    return "a table" if isinstance(value, dict) else _NOUNS.get(type(value), f"a {type(value).__name__}")


def _unknown(cls: type, key: str, place: Place) -> ConfigError:
    unserved = UNSERVED.get(cls, {})
    if key in unserved:
        trigger = place.path[:-1] == ("trigger",)
        return place.error(f"unsupported: {'trigger.' if trigger else ''}{key}", unserved[key])
    return place.error("unknown key", nearest(key, list(keys(cls))))


def _checked(field: dataclasses.Field[Any], hint: Any, data: Any, place: Place) -> Any:
    if field.metadata.get("single") and isinstance(data, str):
        data = [data]
    if isinstance(data, dict) and (wrong := field.metadata.get("no_table")):
        raise place.error(f"unsupported: {wrong}")
    value = _value(hint, data, place)
    if (names := field.metadata.get("names")) is not None:
        for name in value:
            if wrong := names(name):
                raise place.key(name).error(wrong)
    check = field.metadata.get("check")
    if check is not None and value is not None and (wrong := check(value)):
        raise _blamed(place, value, check).error(wrong)
    return value


def _blamed(place: Place, value: Any, check: Any) -> Place:
    """The element or member of a collection that the check refuses: it may have a line of its own."""
    if isinstance(value, tuple):
        return next((place.key(i) for i, item in enumerate(value) if check((item,))), place)
    if isinstance(value, Mapping):
        return next((place.key(name) for name in value if check({name: value[name]})), place)
    return place


def _value(hint: Any, data: Any, place: Place) -> Any:
    if isinstance(hint, types.UnionType):  # `X | None`
        hint = next(arg for arg in get_args(hint) if arg is not type(None))
    if dataclasses.is_dataclass(hint):
        return read(hint, data, place)  # type: ignore[arg-type]  # a class here
    if get_origin(hint) is tuple:
        return tuple(
            _value(get_args(hint)[0], item, place.key(i)) for i, item in enumerate(_expect(list, data, place))
        )
    if get_origin(hint) is Mapping:
        if not isinstance(data, dict):
            raise place.error(f"expected a table, got {noun(data)}")
        return {name: _value(get_args(hint)[1], item, place.key(name)) for name, item in data.items()}
    return _text(_expect(hint, data, place), place)


def _expect(kind: Any, data: Any, place: Place) -> Any:
    if type(data) is kind:
        return data
    raise place.error(f"expected {_NOUNS[kind]}, got {noun(data)}")


def _text(value: Any, place: Place) -> Any:
    if isinstance(value, str) and "\0" in value:
        raise place.error("a NUL character, which no environment or path can hold")
    if isinstance(value, str) and not unicodedata.is_normalized("NFC", value):
        # Nomad's parser would: then `up` and `deploy` would give the guest different bytes.
        raise place.error("not in Unicode's composed form (NFC)", "Nomad would change the text")
    return value
