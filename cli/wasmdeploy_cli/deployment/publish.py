"""Bringing components to where the nodes find them, named by their digest."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from wasmdeploy_cli.console import Output
from wasmdeploy_cli.errors import ClusterError, ConfigError
from wasmdeploy_cli.manifest import App
from wasmdeploy_cli.web import request
from wasmdeploy_driver.executor.check import Checked


def component_dir(app: App, base: Path) -> Path:
    """The app's own directory below the one that the drivers allow."""
    return base / app.namespace / app.name


def publish(app: App, guests: Mapping[str, Checked], base: Path | None, out: Output) -> str:
    """Make every component available and give its directory ("" where nodes download them); raises
    ClusterError.
    """
    if base is None and not app.deploy.artifacts:
        raise ConfigError(
            "it is not said how the nodes get the components",
            "set deploy.artifacts in the manifest to a URL, or --component-dir to a directory of all nodes",
        )
    for name, guest in guests.items():
        hexadecimal = guest.digest.removeprefix("sha256:")
        if base is not None:
            done = _copy(app.source(name), component_dir(app, base) / f"{hexadecimal}.wasm")
        else:
            done = _upload(app.source(name), f"{app.deploy.artifacts.rstrip('/')}/{hexadecimal}.wasm")
        out.event(
            "published",
            f"Component {name}: {guest.size / 1e6:.1f} MB, sha256 {hexadecimal[:12]} "
            f"({'sent' if done else 'already there'})",
            component=name, digest=guest.digest, size=guest.size, sent=done,
        )  # fmt: skip
    return str(component_dir(app, base)) if base is not None else ""


def _copy(source: Path, target: Path) -> bool:
    if target.is_file():
        return False
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=".publishing-")
        try:
            with os.fdopen(descriptor, "wb") as file, source.open("rb") as content:
                shutil.copyfileobj(content, file)
                os.fchmod(file.fileno(), 0o644)
            Path(temporary).replace(target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ClusterError(f"cannot write {target}: {error.strerror}") from error
    return True


def _upload(source: Path, url: str) -> bool:
    if request("the component server", "HEAD", url, timeout=30).status == 200:
        return False
    status = request("the component server", "PUT", url, file=source, timeout=600).status
    if status not in (200, 201, 204):
        raise ClusterError(
            f"the component server refuses PUT {url} (HTTP {status})",
            f"put {source} there by other means, then deploy again",
        )
    return True


def unpublish(app_namespace: str, app_name: str, base: Path) -> None:
    """Remove an app's components and the directories that they leave empty.

    A name that is more than one step of a path was never published: Nomad takes a job called `../x`.
    """
    if any(name in ("", ".", "..") or "/" in name for name in (app_namespace, app_name)):
        return
    directory = base / app_namespace / app_name
    shutil.rmtree(directory, ignore_errors=True)
    if directory.parent.is_dir() and not any(directory.parent.iterdir()):
        directory.parent.rmdir()
