"""A small valid manifest for tests, and how to read one with lines changed."""

from __future__ import annotations

from pathlib import Path

from wasmdeploy_cli.manifest import App, load

SMALL = """\
[application]
name = "hello"

[[trigger.http]]
route = "/..."
component = "web"

[component.web]
source = "web.wasm"
"""


def app(directory: Path, text: str = SMALL, name: str = "wasmdeploy.toml") -> App:
    """Write the manifest and read it."""
    path = directory / name
    path.write_text(text, encoding="utf-8")
    return load(path)
