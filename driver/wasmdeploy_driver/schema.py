"""One walk over a dataclass gives its HCL spec, its decoder and its encoder.

A field's type decides its shape in HCL:

    str, int, float, bool        an attribute
    tuple[str, ...]              an attribute of type list(string)
    Mapping[str, str]            `k = {…}` or `k {…}`; Nomad sends both as a list of maps
    Block                        one block
    tuple[Block, ...]            repeated blocks; a block whose class has a `label` field becomes a map by
    label

What Nomad leaves out arrives as None (or an empty list or map) and takes the field's default.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from wasmdeploy_driver.errors import ConfigError

T = TypeVar("T")
Kind = Literal["attr", "strings", "map", "block", "blocks", "labelled"]

_HCL_NAMES = {str: "string", int: "number", float: "number", bool: "bool"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of a dataclass: its name, shape, Python type (or block class), whether it must be given, its
    default.
    """

    name: str
    kind: Kind
    type: Any
    required: bool
    default: Any
    doc: str

    @property
    def hcl_type(self) -> str:
        """The type of an attribute as HCL's spec language writes it."""
        if self.kind == "strings":
            return "list(string)"
        if self.kind == "map":
            return "list(map(string))"
        return _HCL_NAMES[self.type]


def label_of(cls: type) -> str | None:
    """The field that holds a block's label, or None where the block has none."""
    for field in dataclasses.fields(cls):
        if field.metadata.get("label"):
            return field.name
    return None


@lru_cache
def entries(cls: type) -> tuple[Entry, ...]:
    """The keys of `cls` in declaration order, its label left out."""
    hints = get_type_hints(cls)
    return tuple(
        _entry(field, hints[field.name])
        for field in dataclasses.fields(cls)
        if not field.metadata.get("label")
    )


def _entry(field: dataclasses.Field[Any], hint: Any) -> Entry:
    required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    if isinstance(hint, types.UnionType):  # `X | None`
        hint = next(arg for arg in get_args(hint) if arg is not type(None))
    kind: Kind = "attr"
    if get_origin(hint) is tuple:
        hint = get_args(hint)[0]
        kind = "strings"
        if dataclasses.is_dataclass(hint):
            kind = "labelled" if label_of(hint) else "blocks"  # type: ignore[arg-type]  # a class here
    elif get_origin(hint) is Mapping:
        kind = "map"
    elif dataclasses.is_dataclass(hint):
        kind = "block"
    return Entry(
        field.name, kind, hint, required, None if required else _default(field), field.metadata.get("doc", "")
    )


def decode(cls: type[T], data: Any, where: str) -> T:
    """Build a `cls` from maps and lists; `where` names the source. Raises ConfigError for a wrong key or
    type.
    """
    if not isinstance(data, Mapping):
        raise ConfigError(f"{where}: expected a block, got {_shown(data)}")
    keys = entries(cls)  # type: ignore[arg-type]  # a class can be hashed
    known = {entry.name for entry in keys} | {label_of(cls)}
    for key in data:
        if key not in known:
            raise ConfigError(f"{where}: unknown key {key!r}")
    values: dict[str, Any] = {}
    if (label := label_of(cls)) is not None:
        values[label] = data.get(label)
    for entry in keys:
        value = data.get(entry.name)
        if value is not None:
            values[entry.name] = _decode_value(entry, value, f"{where}.{entry.name}" if where else entry.name)
        elif entry.required:
            raise ConfigError(f"{where}: {entry.name!r} is missing")
    return cls(**values)


def _decode_value(entry: Entry, value: Any, where: str) -> Any:
    match entry.kind:
        case "attr":
            return _scalar(entry.type, value, where)
        case "strings":
            return tuple(_scalar(str, item, where) for item in _list(value, where))
        case "map":
            maps = [value] if isinstance(value, Mapping) else _list(value, where)
            merged: dict[str, str] = {}
            for item in maps:
                if not isinstance(item, Mapping):
                    raise ConfigError(f"{where}: expected a map, got {_shown(item)}")
                merged.update(
                    {_scalar(str, k, where): _scalar(str, v, f"{where}.{k}") for k, v in item.items()}
                )
            return merged
        case "block":
            return decode(entry.type, value, where)
        case "blocks":
            return tuple(
                decode(entry.type, item, f"{where}[{i}]") for i, item in enumerate(_list(value, where))
            )
        case "labelled":
            if not isinstance(value, Mapping):
                raise ConfigError(f"{where}: expected labelled blocks, got {_shown(value)}")
            label = str(label_of(entry.type))
            return tuple(
                decode(
                    entry.type, {**_mapping(body, where), label: _scalar(str, name, where)}, f"{where}.{name}"
                )
                for name, body in value.items()
            )


def _scalar(kind: Any, value: Any, where: str) -> Any:
    if kind is Path and isinstance(value, str):
        return Path(value)
    if kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        raise ConfigError(f"{where}: expected {_HCL_NAMES.get(kind, kind.__name__)}, got {_shown(value)}")
    return value


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        raise ConfigError(f"{where}: expected a list, got {_shown(value)}")
    return list(value)


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where}: expected a block, got {_shown(value)}")
    return value


def _shown(value: Any) -> str:
    return {dict: "a map", list: "a list", type(None): "nothing"}.get(type(value), type(value).__name__)


def encode(value: Any) -> dict[str, Any]:
    """The maps and lists that `decode` reads back; keys at their default are left out."""
    encoded: dict[str, Any] = {}
    for field, entry in _pairs(type(value)):
        item = getattr(value, field.name)
        if item is None or (not entry.required and item == entry.default):
            continue
        encoded[entry.name] = _encode_value(entry, item)
    return encoded


def _pairs(cls: type) -> list[tuple[dataclasses.Field[Any], Entry]]:
    fields = [field for field in dataclasses.fields(cls) if not field.metadata.get("label")]
    return list(zip(fields, entries(cls), strict=True))


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _encode_value(entry: Entry, item: Any) -> Any:
    match entry.kind:
        case "strings":
            return list(item)
        case "map":
            return [dict(item)]
        case "block":
            return encode(item)
        case "blocks":
            return [encode(each) for each in item]
        case "labelled":
            label = str(label_of(entry.type))
            return {getattr(each, label): encode(each) for each in item}
        case _:
            return str(item) if entry.type is Path else item
