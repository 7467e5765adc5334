"""Puts the task driver where a Nomad agent finds it, and writes the agent's `plugin` block."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wasmdeploy_cli.errors import ConfigError

NAME = "nomad-driver-wasm"
_MODULE = "wasmdeploy_driver.plugin"
_SHEBANG_LIMIT = 255  # Linux reads 256 bytes of a script's first line, older kernels 128 but wrongly


@dataclass(frozen=True, slots=True)
class Installed:
    """Where the driver lies and whether this call changed anything."""

    path: Path
    changed: bool


def launcher(python: str) -> str:
    """The executable's text: a Python script, or a shell script where the kernel refuses the shebang."""
    shebang = f"#!{python} -I"
    call = f"import sys\n\nfrom {_MODULE} import main\n\nsys.exit(main())\n"
    if len(shebang.encode()) < _SHEBANG_LIMIT and not any(space in python for space in " \t\n"):
        return f"{shebang}\n{call}"
    statement = f"import sys; from {_MODULE} import main; sys.exit(main())"
    return f'#!/bin/sh\nexec {shlex.quote(python)} -I -c {shlex.quote(statement)} "$@"\n'


def installed(plugin_dir: Path, python: str = sys.executable) -> Installed:
    """Write the driver's executable into `plugin_dir`, whole or not at all; once more changes nothing."""
    _check_importable(python)
    path = plugin_dir / NAME
    text = launcher(python)
    try:
        plugin_dir.mkdir(parents=True, exist_ok=True)
        if path.is_file() and not path.is_symlink() and path.read_text() == text and os.access(path, os.X_OK):
            return Installed(path, changed=False)
        fd, temporary = tempfile.mkstemp(prefix=".wasm-", dir=plugin_dir)
        try:
            with os.fdopen(fd, "w") as file:
                file.write(text)
            Path(temporary).chmod(0o755)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ConfigError(
            f"{path}: {error.strerror}", "choose a --plugin-dir that you may write to"
        ) from error
    return Installed(path, changed=True)


def _check_importable(python: str) -> None:
    """Nomad starts the driver isolated: packages of a user's own site directory are not seen there."""
    probe = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({_MODULE!r}) is None)"
    try:
        code = subprocess.run(
            [python, "-I", "-c", probe], capture_output=True, check=False, timeout=60
        ).returncode
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(
            f"{python} cannot be run: {error}",
            "run wasmdeploy from a Python that works, in a virtual environment",
        ) from error
    if code:
        raise ConfigError(
            f"{python} -I finds no {_MODULE}: the driver would not start",
            "install wasmdeploy into a virtual environment, not with pip install --user, and run that one",
        )


def plugin_block(data_dir: Path | None = None, allow_paths: Sequence[Path] = (), vault_addr: str = "") -> str:
    """The agent's `plugin` block in HCL; what is not given is left out, and the driver's defaults hold."""
    lines = []
    if data_dir:
        lines.append(f"    data_dir    = {quoted(data_dir)}")
    if allow_paths:
        lines.append(f"    allow_paths = [{', '.join(quoted(path) for path in allow_paths)}]")
    if vault_addr:
        lines += ["    vault {", f"      address = {quoted(vault_addr)}", "    }"]
    return "\n".join([f'plugin "{NAME}" {{', "  config {", *lines, "  }", "}"]) + "\n"


def quoted(text: str | Path) -> str:
    """An HCL string literal."""
    return json.dumps(str(text), ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")
