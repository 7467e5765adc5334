"""What every error of the command line must have: it says what to do next."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from wasmdeploy_cli import errors

PACKAGE = Path(errors.__file__).parent


def made() -> Iterator[tuple[str, ast.expr | None]]:
    """Each place of the package where an error is made, with its hint."""
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in errors.__all__
            ):
                yield (
                    f"{file.relative_to(PACKAGE)}:{node.lineno}",
                    node.args[1] if len(node.args) > 1 else None,
                )


def is_empty(hint: ast.expr | None) -> bool:
    """Whether there is none, or there may be none."""
    if isinstance(hint, ast.IfExp):
        return is_empty(hint.body) or is_empty(hint.orelse)
    return hint is None or (isinstance(hint, ast.Constant) and not hint.value)


def test_every_error_says_what_to_do_next() -> None:
    """No error is made without a hint; those of manifests have one in common, where there is no better one."""
    found = dict(made())
    assert len(found) > 100
    assert [place for place, hint in found.items() if is_empty(hint)] == []
