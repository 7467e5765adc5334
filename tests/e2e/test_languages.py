"""docs/languages.md: a new app from each template, built and served as the page says."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.driver.go_guests import BUILT
from tests.e2e.cli import Cli
from tests.e2e.test_local import up
from wasmdeploy_cli import templates

pytestmark = [pytest.mark.guests, pytest.mark.timeout(600)]

PAGE = Path(__file__).parents[2] / "docs" / "languages.md"
SHOWN = re.findall(r"^\$ wasmdeploy new hello --template (\S+) && cd hello$", PAGE.read_text(), re.MULTILINE)


def test_the_page_has_every_template() -> None:
    """Every template has its walk-through."""
    assert sorted(SHOWN) == templates.names()


@pytest.mark.parametrize(
    ("language", "file"),
    [("rust", "http-rust/src/main.rs"), ("go", "http-go/main.go"), ("js", "http-js/app.js")],
)
def test_the_page_shows_the_template(language: str, file: str) -> None:
    """The code on the page is the template's, which the tests below build."""
    (code,) = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert code in (Path(templates.__file__).parent / file).read_text()


@pytest.mark.parametrize("template", SHOWN)
def test_a_template_is_built_and_served(template: str, tmp_path: Path) -> None:
    """A new app needs nothing but `up --build`; it has the variable, the path, and the request's body."""
    app = tmp_path / "hello"
    Cli(tmp_path / "no-stack")("new", "hello", "--template", template, cwd=tmp_path)
    keep(app)
    with up(app, "--build", "--variable", "greeting=Howdy") as (_, url):
        answer = httpx.get(f"{url}/a/b", timeout=60)
        assert (answer.status_code, answer.text) == (200, "Howdy from /a/b\n")
        assert answer.headers["content-type"].lower().replace(" ", "") == "text/plain;charset=utf-8"
        body = os.urandom(1 << 18)
        assert httpx.post(url, content=body, timeout=60).content == body


def keep(app: Path) -> None:
    """Put what the build gets from elsewhere where the next run finds it: crates' objects, Node's packages."""
    for lock, directory in (("Cargo.lock", "target"), ("package-lock.json", "node_modules")):
        if not (app / lock).is_file():
            continue
        kept = BUILT / f"{lock}-{hashlib.sha256((app / lock).read_bytes()).hexdigest()[:16]}" / directory
        if directory == "node_modules" and not kept.is_dir():
            install(app, kept)
        kept.mkdir(parents=True, exist_ok=True)
        (app / directory).symlink_to(kept)


def install(app: Path, kept: Path) -> None:
    """Install Node's packages apart, and put them in place once they are whole."""
    making = kept.parent.with_suffix(f".{os.getpid()}")
    making.mkdir(parents=True)
    try:
        for file in ("package.json", "package-lock.json"):
            shutil.copy(app / file, making)
        subprocess.run(["npm", "ci"], cwd=making, check=True, stdout=subprocess.DEVNULL)
        making.replace(kept.parent)
    finally:
        shutil.rmtree(making, ignore_errors=True)
