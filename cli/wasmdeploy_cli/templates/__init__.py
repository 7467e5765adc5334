"""Templates of new apps: directories of files with `{{name}}` in place of the app's name."""

from __future__ import annotations

import shutil
from pathlib import Path

from wasmdeploy_cli.errors import ConfigError
from wasmdeploy_cli.manifest import grammar

_ROOT = Path(__file__).parent


def names() -> list[str]:
    """The templates there are."""
    return sorted(entry.name for entry in _ROOT.iterdir() if (entry / "wasmdeploy.toml").is_file())


def create(template: str, name: str, directory: Path) -> list[str]:
    """Create an app called `name` in a new directory and give its files; raises ConfigError, leaving nothing
    behind.
    """
    if template not in names():
        raise ConfigError(f"there is no template {template!r}", f"the templates are: {', '.join(names())}")
    if wrong := grammar.app_name(name):
        raise ConfigError(wrong, "choose another name")
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise ConfigError(f"{directory} exists already", "choose another name, or --output")
    existed = directory.exists()
    try:
        return _copy(_ROOT / template, directory, name)
    except OSError as error:
        if not existed:
            shutil.rmtree(directory, ignore_errors=True)
        raise ConfigError(
            f"cannot create {directory}: {error.strerror}", "name another directory with --output"
        ) from error


def _copy(source: Path, directory: Path, name: str) -> list[str]:
    files = []
    for file in sorted(source.rglob("*")):
        if file.is_dir() or "__pycache__" in file.parts:
            continue
        relative = str(file.relative_to(source)).replace("dot-", ".")
        target = directory / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(file.read_text().replace("{{name}}", name))
        files.append(relative)
    return files
