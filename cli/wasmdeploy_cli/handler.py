"""The source of a Python app: what is wrong with it that shows without a build, which takes long."""

from __future__ import annotations

import ast
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

from wasmdeploy_cli.errors import ConfigError, GuestError

GUEST_PYTHON = (3, 14)  # of componentize-py
_TEMPLATE = "def handle(request): return Response('Hello')"
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


def find(module: str, paths: list[Path]) -> Path:
    """The file of `module`, as Python would find it in `paths`; raises ConfigError."""
    relative = Path(*module.split("."))
    for path in paths:
        if not path.is_dir():
            raise ConfigError(f"{path} is no directory", "give directories to import from with -p")
    for path in paths:
        for file in (path / relative / "__init__.py", path / f"{relative}.py"):
            if file.is_file():
                return file
    raise ConfigError(
        f"there is no Python module {module!r} in {', '.join(map(str, paths))}",
        "name its directory with -p",
    )


def check(file: Path) -> None:
    """Raise GuestError where the app has a syntax error or no usable `handle`."""
    try:
        source = file.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"cannot read {file}: {error.strerror}", "make it readable, or name another module"
        ) from error
    try:
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(source, str(file))
    except SyntaxError as error:
        if _is_certain(error):
            raise GuestError(
                f"{file}:{error.lineno or 1}: {error.msg}", "correct that line, and build again"
            ) from error
        return  # perhaps newer Python than this one: the build will tell
    except ValueError as error:
        raise GuestError(f"{file}: {error}", "save it as UTF-8 text without NUL characters") from error
    bound = list(_bindings(tree))
    if not bound:
        raise GuestError(f"{file} has no function handle(request)", f"for example: {_TEMPLATE}")
    if isinstance(bound[-1], ast.AsyncFunctionDef):
        raise GuestError(
            f"{file}:{bound[-1].lineno}: handle is async, which is not supported",
            "write def handle(request): an instance answers one request at a time, and fetch waits for its answer",
        )


def _is_certain(error: SyntaxError) -> bool:
    """Whether no newer Python could accept the source: quotes may be nested in its f-strings, for one."""
    if sys.version_info >= GUEST_PYTHON or isinstance(error, IndentationError):
        return True
    bracket = re.search("never closed|unmatched|does not match", error.msg)
    return bracket is not None and re.search("[fFtT][rR]?['\"]", error.text or "") is None


def _bindings(tree: ast.AST) -> Iterator[ast.AST]:
    """The statements that may give the module its `handle`, in order."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, _SCOPES):
            if getattr(node, "name", None) == "handle":
                yield node
            continue
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = {alias.asname or alias.name for alias in node.names}
            if names & {"handle", "*"}:
                yield node
        elif isinstance(node, ast.Name) and node.id == "handle" and isinstance(node.ctx, ast.Store):
            yield node
        yield from _bindings(node)
