"""A Python module with `handle(request)` into a component, through componentize-py."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from wasmdeploy_cli import handler
from wasmdeploy_cli.errors import ConfigError, GuestError

_HERE = Path(__file__).parent
_WORLD = "http-py"
_LIBRARY = _HERE.with_name("wasmdeploy_http")
_ENTRY = "wasmdeploy_entry"
_SOURCE = """\
import {module}
from wasmdeploy_http.serve import handler

IncomingHandler = handler(getattr({module}, "handle", None))
"""


def componentize(module: str, output: Path, paths: list[Path]) -> None:
    """Build `module` (found in `paths`) into the component `output`; raises ConfigError, GuestError."""
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", module):
        raise ConfigError(
            f"{module!r} is no name of a Python module", "give the module without .py, like `app`"
        )
    tool = shutil.which("componentize-py", path=str(Path(sys.executable).parent)) or shutil.which(
        "componentize-py"
    )
    if tool is None:
        raise ConfigError("componentize-py is not installed beside wasmdeploy", "pip install componentize-py")
    source = handler.find(module, paths)
    handler.check(source)
    _make_way(output)
    with tempfile.TemporaryDirectory(prefix="wasmdeploy-") as directory:
        made = Path(directory) / "made.wasm"
        said = _run(tool, [_entry(Path(directory), module), *paths], Path(directory), made)
        if not made.is_file():
            raise _failure(said, source, paths)
        try:
            shutil.move(made, output)
        except OSError as error:
            raise ConfigError(
                f"cannot write {output}: {error.strerror}", "name another file with -o"
            ) from error


def _make_way(output: Path) -> None:
    """Tell now what would keep the output from being written after the build."""
    if output.is_dir():
        raise ConfigError(f"cannot write {output}: it is a directory", "name the file with -o, like app.wasm")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"cannot create {output.parent}: {error.strerror}", "name another file with -o"
        ) from error
    if not os.access(output.parent, os.W_OK | os.X_OK):
        raise ConfigError(
            f"cannot write {output}: {output.parent} is not writable", "name another file with -o"
        )


def _entry(directory: Path, module: str) -> Path:
    """A directory of just what every app is built with: the entry, and the library of this installation."""
    entry = directory / "entry"
    ignored = shutil.ignore_patterns("__pycache__", "py.typed")
    shutil.copytree(_LIBRARY, entry / _LIBRARY.name, ignore=ignored)
    (entry / f"{_ENTRY}.py").write_text(_SOURCE.format(module=module))
    return entry


def _run(tool: str, paths: list[Path], directory: Path, made: Path) -> str:
    """What componentize-py said; `made` is there where it succeeded."""
    command = [
        tool, "--quiet", "--wit-path", str(_HERE / "wit"), "--world", _WORLD,
        "--import-interface-name", "wasi:http/types@0.2.12=types",
        "componentize", _ENTRY, "--output", str(made),
    ]  # fmt: skip
    for path in paths:
        command += ["--python-path", str(path.resolve())]
    # componentize-py adds the site-packages of some virtual environment, of the one it is installed in at last: an
    # app that imports what happens to be there would not build elsewhere. So it is given an empty one.
    venv = directory / "venv"
    (venv / "lib" / "site-packages").mkdir(parents=True)
    environment = {**os.environ, "RUST_BACKTRACE": "0", "VIRTUAL_ENV": str(venv)}
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        made.unlink(missing_ok=True)
    return done.stdout.strip()


def _failure(said: str, source: Path, paths: list[Path]) -> GuestError:
    """One line from the traceback of the app's own import; all that was said where there is none."""
    if called := re.search(r"called trapping stub: (\S+)", said):
        return GuestError(f"{source}: {called[1]} is called while the app is built", "call it in handle")
    lines = said.splitlines()
    frames = [(at, found) for at, line in enumerate(lines) if (found := _FRAME.match(line))]
    after = lines[frames[-1][0] + 1 :] if frames else []
    words = next((line for line in after if line and not line.startswith(" ")), "")
    if not words or words.startswith(("AssertionError: Traceback", "Caused by")):
        return GuestError(f"componentize-py failed:\n{said}", "correct what it names, and build again")
    # Paths are mounted by number, the entry's as 0.
    own = [found for _, found in frames if 1 <= int(found["path"]) <= len(paths)]
    if not own:
        # TypeError is the library's, about what the app's `handle` is.
        about = words.removeprefix("TypeError: ")
        return GuestError(
            f"{source} {about}" if about != words else f"{source}: {words}",
            "correct the module, and build again",
        )
    file = paths[int(own[-1]["path"]) - 1] / own[-1]["file"]
    return GuestError(f"{file}:{own[-1]['line']}: {words.removeprefix('SyntaxError: ')}", _hint(words))


_FRAME = re.compile(r'  File "/(?P<path>\d+)/(?P<file>[^"]+)", line (?P<line>\d+)')
_MISSING = re.compile(r"ModuleNotFoundError: No module named '([^'.]+)")


def _hint(words: str) -> str:
    missing = _MISSING.match(words)
    if missing is None:
        if words.startswith(("ImportError", "ModuleNotFoundError")):
            return "imports are looked for in the directories of -p only; native extensions do not run"
        if words.startswith(("SyntaxError", "IndentationError", "TabError")):
            return "correct that line, and build again"
        return "a module runs once, while the app is built; what needs a request, a variable or a call goes into handle"
    if missing[1] in sys.stdlib_module_names:
        return "this part of Python's library is not there in WebAssembly"
    return (
        "an app's own packages are looked for in the directories of -p only: "
        f"pip install --target deps {missing[1]}, then wasmdeploy componentize app -p . -p deps"
    )
