"""The component's variables, secrets among them, as the manifest names them."""

from __future__ import annotations

from typing import Any

from wasmdeploy_http import component


def variable(name: str) -> str | None:
    """The value of a variable, None where the component has none of that name."""
    value: str | None = _store("variable").get(name)
    return value


def variables() -> dict[str, str]:
    """All of the component's variables."""
    return dict(_store("variables").get_all())


def _store(function: str) -> Any:
    component.require(function)
    from wit_world.imports import store

    return store
