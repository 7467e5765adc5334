import os

import pytest

from tests.cli.manifest.sample import SMALL, app
from wasmdeploy_cli.builder import build, stale
from wasmdeploy_cli.console import Output
from wasmdeploy_cli.errors import GuestError

BUILD = (
    SMALL
    + """
[component.web.build]
command = "true"
watch = ["*.py", "lib/**/*.py"]
"""
)


@pytest.fixture
def built(tmp_path):
    """An app that was built after its sources were written."""
    (tmp_path / "lib" / "deep").mkdir(parents=True)
    for name, age in (("app.py", 1000), ("lib/deep/x.py", 1000), ("notes.txt", 9000), ("web.wasm", 2000)):
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (age, age))
    return app(tmp_path, BUILD)


def test_a_component_that_is_newer_than_its_sources(built):
    """Nothing is to be built; a file that nobody watches does not matter."""
    assert stale(built) == []


@pytest.mark.parametrize("name", ["app.py", "lib/deep/x.py"])
def test_a_source_that_changed(built, name):
    """A watched file that is newer makes the component stale."""
    os.utime(built.directory / name, (3000, 3000))
    assert stale(built) == ["web"]


def test_a_component_that_is_missing(built):
    """What is not there is to be built, where there is a command for it."""
    (built.directory / "web.wasm").unlink()
    assert stale(built) == ["web"]
    assert stale(app(built.directory)) == []


@pytest.mark.parametrize(
    ("command", "hint"),
    [
        ("cargo build", "cargo is not on PATH: install Rust, https://rustup.rs, and run: rustup target add"),
        ("GOOS=wasip1 go build", "go is not on PATH: install Go"),
        ("npm run build", "npm is not on PATH: install Node.js"),
        ("no-such-program go.mod", "what it said is above"),
        ("exit 1", "what it said is above"),
    ],
)
def test_a_missing_toolchain(tmp_path, monkeypatch, command, hint):
    """A build that ends for want of a language's tool says where to get it, and only then."""
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    manifest = BUILD.replace('"true"', f'"{command}"')
    with pytest.raises(GuestError, match="the build command ended with status") as caught:
        build(app(tmp_path, manifest), Output())
    assert caught.value.hint.startswith(hint)
