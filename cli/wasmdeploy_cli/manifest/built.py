"""The files that a manifest's components are built into."""

from __future__ import annotations

import hashlib
from pathlib import Path

from wasmdeploy_cli.errors import GuestError
from wasmdeploy_cli.manifest.app import App


def require_built(app: App) -> dict[str, Path]:
    """Each component's wasm file; raises GuestError where one is not there yet."""
    sources = {name: app.source(name) for name in app.component}
    for name, source in sources.items():
        if not source.is_file():
            hint = (
                "run `wasmdeploy build`"
                if app.component[name].build
                else f"correct its `source`, build it by other means, or give it a [component.{name}.build]"
            )
            raise GuestError(f"component {name!r} is not built: no file {source}", hint)
    return sources


def digests(app: App) -> dict[str, str]:
    """The `sha256:…` of each component's wasm file; raises GuestError where one cannot be read."""
    found = {}
    for name, source in require_built(app).items():
        try:
            with source.open("rb") as file:
                found[name] = "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise GuestError(
                f"component {name!r} cannot be read: {source}: {error.strerror}",
                "make it readable, or build it again",
            ) from error
    return found
