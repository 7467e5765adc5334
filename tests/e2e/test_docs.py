"""The commands in docs/deploying.md, typed one after the other."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.e2e.sample import Sample
from tests.e2e.world import World

pytestmark = [pytest.mark.stack, pytest.mark.guests, pytest.mark.timeout(600)]

PAGE = Path(__file__).parents[2] / "docs" / "deploying.md"


def test_the_page_on_deploying_does_what_it_says(world: World, tmp_path: Path) -> None:
    """With the page's own manifest, every command ends as it should, in the page's order."""
    text = PAGE.read_text()
    (tables,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    sample = Sample(tmp_path, "shop", variables={"greeting": "Hello"}, more=tables.replace("[deploy]\n", ""))
    sample.write()
    commands = re.findall(r"^\$ wasmdeploy (.*)$", text, re.MULTILINE)
    try:
        assert len(commands) >= 12
        for line in commands:
            codes = {"plan": 1}
            if "--canary" in line and line.startswith("deploy"):
                sample.version = "2.0"
                sample.write()
            words = shlex.split(line)
            if words[0] == "dispatch":  # of a command, which this app is not
                continue
            world.cli(*words, cwd=tmp_path, code=codes.get(words[0], 0))
        assert world.nomad("job/shop")["Stop"]
    finally:
        world.cli("destroy", tmp_path)
