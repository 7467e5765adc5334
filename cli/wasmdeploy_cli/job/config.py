"""A `Task` in the shape that Nomad's own parser gives a task's `config` block.

Nomad evaluates driver config as HCL templates on the node, keys of maps included. So a literal `${` travels
as `$${` and `%{` as `%%{`. That alone fails in two cases (tried on Nomad 1.11): behind a carriage return
HCL's scanner does not see where a template starts, and takes `$$${` as it is; and it drops a byte order
mark at the start. So these two characters travel as an expression, `${"\\r"}`. HCL also brings every string
to Unicode's composed form (NFC), and there is no way around that: a text that would change is refused,
because the guest must get what the manifest says.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from wasmdeploy_cli.errors import ConfigError
from wasmdeploy_driver import schema
from wasmdeploy_driver.task import Task

_RETURN = re.compile(r"([$%]*)\r")
_MARK = "\ufeff"
_PLAIN = {"$${": "${", "%%{": "%{", '${"\\ufeff"}': _MARK}
_ESCAPED = re.compile(r"""\$\$\{|%%\{|\$\{"\\ufeff"\}|\$\{"([$%]*)\\r"\}""")


def nomad_config(task: Task) -> dict[str, Any]:
    """The `Config` of a task, as the API takes it and as `nomad job run -output` prints it."""
    return _block(Task, schema.encode(task), "")


def escape(text: str) -> str:
    """The HCL template that evaluates to `text`."""
    template = text.replace("${", "$${").replace("%{", "%%{")
    if template != text:
        # What stands before it goes along: outside, a `$` would make `$${` of the expression's start.
        template = _RETURN.sub(r'${"\1\\r"}', template)
    return template if not template.startswith(_MARK) else '${"\\ufeff"}' + template[1:]


def unescape(template: str) -> str:
    """The text that `escape` made the template from."""
    return _ESCAPED.sub(lambda match: _PLAIN.get(match[0], f"{match[1]}\r"), template)


def _block(cls: type, encoded: Mapping[str, Any], where: str) -> dict[str, Any]:
    kinds = {entry.name: entry for entry in schema.entries(cls)}
    return {key: _value(kinds[key], item, f"{where}{key}") for key, item in encoded.items()}


def _value(entry: schema.Entry, item: Any, where: str) -> Any:
    match entry.kind:
        case "strings":
            return [_text(each, where) for each in item]
        case "map":
            return [{_text(k, where): _text(v, f"{where}.{k}") for k, v in each.items()} for each in item]
        case "block":
            return [_block(entry.type, item, f"{where}.")]
        case "blocks":
            return [_block(entry.type, each, f"{where}.") for each in item]
        case "labelled":
            return [{label: [_block(entry.type, each, f"{where}.{label}.")]} for label, each in item.items()]
        case _:
            return _text(item, where) if isinstance(item, str) else item


def _text(text: str, where: str) -> str:
    if not unicodedata.is_normalized("NFC", text):
        raise ConfigError(
            f"{where}: Nomad would change this text to composed Unicode", "write it composed (NFC)"
        )
    return escape(text)
