"""The component's variables, secrets among them, as the manifest names them."""

from __future__ import annotations


def variable(name: str) -> str | None:
    """The value of a variable, None where the component has none of that name."""
    from wit_world.imports import store

    return store.get(name)


def variables() -> dict[str, str]:
    """All of the component's variables."""
    from wit_world.imports import store

    return dict(store.get_all())
