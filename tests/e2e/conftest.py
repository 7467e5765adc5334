"""Fixtures of the end-to-end tests."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.e2e.cli import Cli
from tests.e2e.world import World
from wasmdeploy_cli.stack.state import StackState


@pytest.fixture(scope="session")
def world(stack: StackState) -> World:
    """The stack with what tests do to it."""
    return World(stack, Cli(stack.data_dir))


@pytest.fixture
def app(world: World, tmp_path: Path) -> Path:
    """A new app from the Python template, not built; destroyed afterwards where it was deployed."""
    directory = tmp_path / "app"
    name = "t" + tmp_path.name.replace("_", "-").lower().rstrip("0123456789").strip("-")[:30].rstrip("-")
    world.cli("new", name, "--output", directory)
    yield directory
    if httpx.get(f"{world.stack.nomad_addr}/v1/job/{name}").status_code == 200:
        world.cli("destroy", directory)
