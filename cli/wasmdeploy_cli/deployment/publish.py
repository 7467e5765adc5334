"""Bringing components to where the nodes find them, named by their digest."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path

from wasmdeploy_cli.console import Output
from wasmdeploy_cli.errors import ClusterError, ConfigError
from wasmdeploy_cli.manifest import App
from wasmdeploy_cli.web import request
from wasmdeploy_driver.executor.check import Checked


def component_dir(app: App, base: Path) -> Path:
    """The app's own directory below the one that the drivers allow."""
    return base / app.namespace / app.name


def require_directory(given: Path | None, known: Path | None) -> None:
    """Raise ConfigError where components would be copied to a directory that is not there.

    `given` is what the command line says, `known` what the environment or the local stack does.
    """
    base = given or known
    if base is not None and not base.is_dir():
        said = "--component-dir" if given else "WASMDEPLOY_COMPONENT_DIR"
        raise ConfigError(
            f"{said}: there is no directory {base}", "make it, or name the one that the nodes share"
        )


def require_way(app: App, base: Path | None) -> None:
    """Raise ConfigError where neither the manifest nor the command line says how nodes get components."""
    if base is None and not app.deploy.artifacts:
        raise ConfigError(
            "it is not said how the nodes get the components",
            "set deploy.artifacts in the manifest to a URL, or WASMDEPLOY_COMPONENT_DIR (or --component-dir) to a "
            "directory of all nodes",
        )


def publish(app: App, guests: Mapping[str, Checked], base: Path | None, out: Output) -> None:
    """Make every component available to the nodes; raises ClusterError."""
    for name, guest in guests.items():
        hexadecimal = guest.digest.removeprefix("sha256:")
        if base is not None:
            done = _copy(app.source(name), component_dir(app, base) / f"{hexadecimal}.wasm", guest.digest)
        else:
            done = _upload(app.source(name), f"{app.deploy.artifacts.rstrip('/')}/{hexadecimal}.wasm")
        out.event(
            "published",
            f"Component {name}: {guest.size / 1e6:.1f} MB, sha256 {hexadecimal[:12]} "
            f"({'sent' if done else 'already there'})",
            component=name, digest=guest.digest, size=guest.size, sent=done,
        )  # fmt: skip


def has_component(directory: str, digest: str) -> bool:
    """Whether a component is where a job says that the nodes find it: a directory, or a URL to download from."""
    file = f"{directory}/{digest.removeprefix('sha256:')}.wasm"
    if "://" in directory:
        return request("the component server", "HEAD", file, timeout=30).status == 200
    return Path(file).is_file()


def prune(directory: Path, needed: Collection[str], older_than: float) -> list[str]:
    """Remove the components of an app's directory that no version needs; gives the names of the files.

    Files that changed after `older_than` (seconds since the epoch) stay: another deploy may be about to use them.
    """
    keep = {f"{digest.removeprefix('sha256:')}.wasm" for digest in needed}
    removed = []
    for file in sorted(directory.glob("*.wasm")):
        try:
            if file.name not in keep and file.stat().st_mtime < older_than:
                file.unlink()
                removed.append(file.name)
        except OSError:  # another deploy was faster, or the directory is read-only here
            continue
    return removed


def _copy(source: Path, target: Path, digest: str) -> bool:
    try:
        if target.is_file() and _digest(target) == digest:  # what lies there may be damaged
            os.utime(target)  # so that no other deploy takes it for an old one
            return False
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
        raise ClusterError(
            f"cannot write {target}: {error.strerror}",
            "let this user write there, or name another directory with --component-dir",
        ) from error
    return True


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return "sha256:" + hashlib.file_digest(content, "sha256").hexdigest()


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
