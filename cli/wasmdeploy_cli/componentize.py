"""A Python module with `handle(request)` into a component, through componentize-py."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from wasmdeploy_cli.errors import ConfigError, GuestError

_HERE = Path(__file__).parent
_WORLD = "http-py"
_ENTRY = "wasmdeploy_entry"
_SOURCE = """\
import {module}
from wasmdeploy_http.serve import handler

IncomingHandler = handler({module}.handle)
"""


def componentize(module: str, output: Path, paths: list[Path]) -> None:
    """Build `module` (found in `paths`) into the component `output`; raises ConfigError, GuestError."""
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", module):
        raise ConfigError(
            f"{module!r} is no name of a Python module", "give the module without .py, like `app`"
        )
    relative = Path(*module.split("."))
    if not any(
        (path / relative).with_suffix(".py").is_file() or (path / relative).is_dir() for path in paths
    ):
        raise ConfigError(f"there is no Python module {module!r} in {', '.join(map(str, paths))}")
    tool = shutil.which("componentize-py", path=str(Path(sys.executable).parent)) or shutil.which(
        "componentize-py"
    )
    if tool is None:
        raise ConfigError("componentize-py is not installed beside wasmdeploy", "pip install componentize-py")
    with tempfile.TemporaryDirectory(prefix="wasmdeploy-") as directory:
        (Path(directory) / f"{_ENTRY}.py").write_text(_SOURCE.format(module=module))
        made = Path(directory) / "made.wasm"
        _run(tool, [Path(directory), *paths, _HERE / "guest_py"], made)
        output.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(made, output)


def _run(tool: str, paths: list[Path], made: Path) -> None:
    command = [
        tool, "--quiet", "--wit-path", str(_HERE / "wit"), "--world", _WORLD,
        "--import-interface-name", "wasi:http/types@0.2.12=types",
        "componentize", _ENTRY, "--output", str(made),
    ]  # fmt: skip
    for path in paths:
        command += ["--python-path", str(path.resolve())]
    # The traceback of the app's own import is what its writer needs, not componentize-py's below it.
    environment = {**os.environ, "RUST_BACKTRACE": "0"}
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode or not made.is_file():
        raise GuestError(
            f"componentize-py failed:\n{done.stdout.strip()}", "the app's imports run while it is built"
        )
