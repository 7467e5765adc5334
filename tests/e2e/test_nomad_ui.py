"""What an operator sees of an app in Nomad's own UI, in a real browser; pictures are kept in build/nomad-ui."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.browser import chromium, page
from tests.driver.go_guests import go_guest
from tests.e2e.world import World, eventually

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
links = { Documentation = "https://docs.example/shown" }
"""
# What Nomad's UI has in its terminal, which draws its text on a canvas.
TERMINAL = """
(() => {
  const screen = window.execTerminal && window.execTerminal.buffer.active;
  if (!screen) return "";
  return Array.from({length: screen.length}, (_, i) => screen.getLine(i).translateToString(true)).join("\\n");
})()
"""


def test_what_an_operator_sees_and_types(world: World, tmp_path: Path) -> None:
    """The job's page has description, state and links, the task's page its story; its terminal is the app's console."""
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
            assert ["Documentation", "https://docs.example/shown"] in links

            allocation = world.running("shown")
            (task,) = allocation["TaskStates"]
            browser.open(f"{world.stack.nomad_addr}/ui/allocations/{allocation['ID']}/{task}")
            told = browser.shows("Recent Events", "Received", "Started")
            browser.save(PICTURES / "task.png")
            assert task in told

            browser.open(f"{world.stack.nomad_addr}/ui/exec/shown?namespace=default")
            browser.click(".toggle-button")  # the group, which shows its tasks
            browser.click(".task-item")

            def screen(*words: str) -> str:
                """The terminal's text once it has all the words."""

                def text() -> str:
                    shown = str(browser.value(TERMINAL) or "")
                    return shown if all(word in shown for word in words) else ""

                return eventually(f"the terminal shows {words}", text, 60)

            screen("nomad alloc exec", "/bin/bash")
            browser.value("window.execTerminal.focus()")
            browser.type("\r")
            screen("shown>")
            browser.type("routes\r")
            assert "/..." in screen("shown>", "routes", "/...").partition("routes")[2]
            browser.save(PICTURES / "exec.png")
            browser.type("exit\r")
    finally:
        world.cli("destroy", tmp_path)
