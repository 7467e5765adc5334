"""The `config` block of a wasm task in HCL, whatever keys the driver's `Task` has.

The API's JSON does not say what was a block and what a map, so the walk follows the classes behind both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wasmdeploy_cli.jobspec.literals import assignments, indented, literal, mapping, quote
from wasmdeploy_driver import schema
from wasmdeploy_driver.task import Task

_LINE = 100
"""Lists that make a longer line are written one item to a line."""


def config_lines(config: Mapping[str, Any]) -> list[str]:
    """The lines inside `config { }`, from the `Config` of the API's JSON."""
    return _body(Task, config)


def _body(cls: type, values: Mapping[str, Any]) -> list[str]:
    """Attributes first, then what takes more than a line, with a blank line between."""
    attributes: list[tuple[str, Any]] = []
    paragraphs: list[list[str]] = []
    for entry in schema.entries(cls):
        if entry.name not in values:
            continue
        value = values[entry.name]
        if entry.kind == "attr" or (
            entry.kind == "strings" and len(literal(value)) + len(entry.name) < _LINE
        ):
            attributes.append((entry.name, value))
        else:
            paragraphs.extend(_paragraphs(entry, value))
    if attributes:
        paragraphs.insert(0, assignments(attributes))
    return [line for paragraph in paragraphs for line in ("", *paragraph)][1:]


def _paragraphs(entry: schema.Entry, value: Sequence[Any]) -> list[list[str]]:
    match entry.kind:
        case "strings":
            return [[f"{entry.name} = [", *(f"  {literal(item)}," for item in value), "]"]]
        case "map":
            return [mapping(entry.name, item) for item in value]
        case "labelled":
            return [
                _block(f"{entry.name} {quote(label)}", entry.type, body)
                for each in value
                for label, bodies in each.items()
                for body in bodies
            ]
        case _:
            return [_block(entry.name, entry.type, body) for body in value]


def _block(head: str, cls: type, body: Mapping[str, Any]) -> list[str]:
    lines = _body(cls, body)
    return [f"{head} {{", *indented(lines), "}"] if lines else [f"{head} {{}}"]
