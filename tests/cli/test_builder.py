import os

import pytest

from tests.cli.manifest.sample import SMALL, app
from wasmdeploy_cli.builder import stale

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
