"""Write docs/driver.md from the classes that read it: `python scripts/driver_reference.py [--check]`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from wasmdeploy_driver.plugin.config import PluginConfig
from wasmdeploy_driver.schema import Entry, entries, label_of
from wasmdeploy_driver.task import Task

TARGET = Path(__file__).parent.parent / "docs" / "driver.md"

_INTRO = """\
# The driver's configuration

<!-- Written by scripts/driver_reference.py from the classes that read it. -->

`wasmdeploy render` writes the task configuration for an app; this page is for those who write jobs by hand, and for
the operators of the nodes. Sources and directories lie below the task directory, or below one of the plugin's
`allow_paths`; a path with `..` or through a symbolic link is refused.

A command, run once (a WASI preview 1 module or a `wasi:cli/run` component):

```hcl
task "job" {
  driver = "wasm"

  artifact {
    source = "https://example.com/job.wasm"
  }

  config {
    module = "local/job.wasm"
    args   = ["--verbose"]
  }
}
```

An app that answers HTTP:

```hcl
task "hello" {
  driver = "wasm"

  config {
    http {
      port = "http"
    }

    component "hello" {
      source = "local/hello.wasm"
      route  = ["/..."]
    }
  }
}
```
"""


def page() -> str:
    """The whole page."""
    parts = [
        _INTRO,
        *_tables(Task, "Task configuration", "config"),
        *_tables(PluginConfig, "Plugin configuration", "plugin"),
    ]
    return "\n".join(parts)


def _tables(cls: type, title: str, where: str) -> list[str]:
    parts = [f"## {title}\n", _table(entries(cls))]
    seen: set[Any] = set()
    for entry, path in _blocks(cls, where):
        if entry.type not in seen:
            seen.add(entry.type)
            parts += [f"### `{path}`\n\n{_sentence(entry)}\n", _table(entries(entry.type))]
    return parts


def _blocks(cls: type, where: str) -> list[tuple[Entry, str]]:
    found = []
    for entry in entries(cls):
        if entry.kind in ("block", "blocks", "labelled"):
            label = ' "NAME"' if label_of(entry.type) else ""
            path = f"{entry.name}{label}" if where in ("config", "plugin") else f"{where} {entry.name}{label}"
            found += [(entry, path), *_blocks(entry.type, path)]
    return found


def _sentence(entry: Entry) -> str:
    return str(entry.type.__doc__).splitlines()[0]


def _table(rows: tuple[Entry, ...]) -> str:
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    lines += [f"| `{row.name}` | {_type(row)} | {_default(row)} | {row.doc} |" for row in rows]
    return "\n".join(lines) + "\n"


def _type(row: Entry) -> str:
    kinds = {
        "block": "block",
        "blocks": "blocks",
        "labelled": "blocks by name",
        "map": "map of strings",
        "strings": "list of strings",
    }
    return kinds.get(row.kind) or row.hcl_type


def _default(row: Entry) -> str:
    if row.required:
        return "**required**"
    return (
        ""
        if row.default in (None, "", (), {}) or row.kind == "block"
        else f"`{str(row.default).lower() if isinstance(row.default, bool) else row.default}`"
    )


def main() -> int:
    """Write the page, or with --check say whether it is current."""
    if "--check" in sys.argv:
        return 0 if TARGET.read_text() == page() else 1
    TARGET.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
