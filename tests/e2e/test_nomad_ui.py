"""What an operator sees of an app in Nomad's own UI, in a real browser; pictures are kept in build/nomad-ui."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.browser import chromium, page
from tests.driver.go_guests import go_guest
from tests.e2e.world import World

pytestmark = [
    pytest.mark.stack,
    pytest.mark.guests,
    pytest.mark.timeout(600),
    pytest.mark.skipif(chromium() is None, reason="no Chromium on PATH (Debian: chromium-headless-shell)"),
]

PICTURES = Path(__file__).parents[2] / "build" / "nomad-ui"
MANIFEST = """
[application]
name = "shown"
version = "1.2.3"
description = "Shows what the UI makes of an app"

[[trigger.http]]
route = "/..."
component = "shown"

[component.shown]
source = "shown.wasm"

[deploy]
host = "shown.localhost"
"""


def test_the_job_page_tells_what_the_app_is(world: World, tmp_path: Path) -> None:
    """The job's page has its description, its state and a link to the app; the task's page tells its story."""
    (tmp_path / "wasmdeploy.toml").write_text(MANIFEST)
    (tmp_path / "shown.wasm").write_bytes(go_guest("go-cgi").read_bytes())
    app = tomllib.loads(MANIFEST)
    world.cli("deploy", tmp_path)
    try:
        with page(tmp_path) as browser:
            browser.open(f"{world.stack.nomad_addr}/ui/jobs/shown@default")
            shown = browser.shows(app["application"]["description"], "Open the app", "Healthy")
            links = browser.value(
                "[...document.querySelectorAll('a')].map(a => [a.innerText.trim(), a.href])"
            )
            browser.save(PICTURES / "job.png")
            assert "shown" in shown
            assert ["Open the app", "http://shown.localhost/"] in links

            allocation = world.running("shown")
            (task,) = allocation["TaskStates"]
            browser.open(f"{world.stack.nomad_addr}/ui/allocations/{allocation['ID']}/{task}")
            told = browser.shows("Recent Events", "Received", "Started")
            browser.save(PICTURES / "task.png")
            assert task in told
    finally:
        world.cli("destroy", tmp_path)
