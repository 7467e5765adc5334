"""The sessions in README, typed again: the tool still says what stands there.

`UPDATE_SESSIONS=1 pytest tests/e2e/test_sessions.py` writes them anew, from what the tool printed.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.e2e.cli import PROGRAM, environment
from tests.e2e.world import World

pytestmark = [pytest.mark.stack, pytest.mark.guests, pytest.mark.timeout(1800)]

README = Path(__file__).parents[2] / "README.md"
BLOCK = re.compile(r"(<!-- session: (?P<name>[a-z ]+) -->\n\n```console\n)(?P<text>.*?)(```\n)", re.DOTALL)
# What differs from one run to the next.
VARYING = (
    (re.compile(r"\b[0-9a-f]{12}\b"), "DIGEST"),
    (re.compile(r"\b[0-9a-f]{8}\b"), "ID"),
    (re.compile(r"\d+\.\d+ (s|MB)\b"), r"N \1"),
    (re.compile(r"\b\d+ times\b"), "N times"),
    (re.compile(r"(at|in) 0x[0-9a-f]+"), r"\1 ADDRESS"),
)
# What one run has and another has not: a check that came a moment early, a guest that was compiled before. And the
# lines of a traceback that are ours.
PASSING = re.compile(r"^  ID (health check|Driver|Task Setup)|^0 of \d+ healthy$|wasmdeploy_http/")


@pytest.fixture
def hello(world: World, tmp_path: Path) -> Iterator[Path]:
    """The app that README's first steps make, with a health check that reaches the guest."""
    app = tmp_path / "hello"
    world.cli("new", "hello", "--output", app)
    manifest = app / "wasmdeploy.toml"
    manifest.write_text(manifest.read_text() + 'health_path = "/"\n')
    yield app
    world.cli("destroy", app, code=None)


def typed(world: World, app: Path, line: str, code: int = 0) -> str:
    """What a line prints, results and words as they come, with the addresses of a stack on its usual ports."""
    stack = world.stack
    done = subprocess.run(
        [PROGRAM, *line.split()[1:]], cwd=app, env=environment(WASMDEPLOY_STACK_DIR=str(stack.data_dir)),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300,
        check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stdout
    said = done.stdout
    for address, port in ((stack.traefik_addr, 8088), (stack.nomad_addr, 4646)):
        said = said.replace(f":{urlsplit(address).port}/", f":{port}/")
    return f"$ {line}\n{said}"


def shape(session: str) -> list[str]:
    """The lines that every run has, without what varies."""
    for pattern, word in VARYING:
        session = pattern.sub(word, session)
    # How often a guest has failed is chance: each of its lines counts once.
    lines = [re.sub(r"^ +(log +)?(?=stderr \|)", "", line.rstrip()) for line in session.splitlines()]
    return [
        line
        for number, line in enumerate(lines)
        if not PASSING.search(line) and not (line.startswith("stderr |") and line in lines[:number])
    ]


def compiled(world: World, app: Path) -> None:
    """Let the node compile the app's component: a health check's deadline is not to depend on how long that takes."""
    warm = app.with_name("warm")
    warm.mkdir()
    manifest = (app / "wasmdeploy.toml").read_text()
    (warm / "hello.wasm").write_bytes((app / "hello.wasm").read_bytes())
    (warm / "wasmdeploy.toml").write_text(
        manifest.replace('"hello"\nversion', '"warm"\nversion').replace("hello.localhost", "warm.localhost")
        .replace('health_path = "/"\n', "")
    )  # fmt: skip
    world.cli("deploy", warm)
    world.cli("destroy", warm)


def test_the_sessions_in_readme(world: World, hello: Path) -> None:
    """A first deploy, one that fails, and a rollback print what README shows."""
    said = {"first deploy": typed(world, hello, "wasmdeploy deploy")}
    component, handler = hello / "hello.wasm", hello / "app.py"
    manifest = hello / "wasmdeploy.toml"
    good = {file: file.read_bytes() for file in (handler, manifest, component)}
    handler.write_text(handler.read_text().replace("variable(", "broken("))
    world.cli("build", hello)
    compiled(world, hello)
    manifest.write_text(manifest.read_text() + 'healthy_within = "20s"\n')
    said["failed deploy"] = typed(world, hello, "wasmdeploy deploy", 1)
    for file, content in good.items():  # the component last: it is newer than its source, and not built again
        file.write_bytes(content)
    world.cli("deploy", hello, "--variable", "greeting=Howdy")
    said["rollback"] = typed(world, hello, "wasmdeploy rollback")
    shown = README.read_text()
    if os.environ.get("UPDATE_SESSIONS"):
        shown = BLOCK.sub(lambda match: match[1] + said[match["name"]] + match[4], shown)
        README.write_text(shown)
    recorded = {match["name"]: match["text"] for match in BLOCK.finditer(shown)}
    assert recorded.keys() == said.keys()
    for name, session in said.items():
        assert shape(session) == shape(recorded[name]), session
