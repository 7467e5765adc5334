"""Fixtures of the end-to-end tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.cli import Cli
from tests.e2e.owners import nothing_left
from tests.e2e.world import World
from wasmdeploy_cli.stack.state import StackState


@pytest.fixture(scope="session")
def world(stack: StackState) -> World:
    """The stack with what tests do to it."""
    return World(stack, Cli(stack.data_dir))


@pytest.fixture(scope="module", autouse=True)
def clean(request: pytest.FixtureRequest) -> Iterator[None]:
    """A module leaves no process of a task: later ones count them."""
    mine = [each for each in request.session.items if each.path == request.path]
    if not any("world" in getattr(each, "fixturenames", ()) for each in mine):
        yield
        return
    with nothing_left(request.getfixturevalue("world")):
        yield


@pytest.fixture
def app(world: World, tmp_path: Path) -> Path:
    """A new app from the Python template, not built; destroyed afterwards where it was deployed."""
    directory = tmp_path / "app"
    name = "t" + tmp_path.name.replace("_", "-").lower().rstrip("0123456789").strip("-")[:30].rstrip("-")
    world.cli("new", name, "--output", directory)
    yield directory
    if httpx.get(f"{world.stack.nomad_addr}/v1/job/{name}", timeout=60).status_code == 200:
        world.cli("destroy", directory)
