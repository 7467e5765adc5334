import importlib.util
from pathlib import Path

import pytest

from wasmdeploy_cli.manifest.app import App
from wasmdeploy_cli.manifest.reader import keys
from wasmdeploy_cli.manifest.unserved import UNSERVED

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def generator():
    spec = importlib.util.spec_from_file_location(
        "manifest_reference", ROOT / "scripts" / "manifest_reference.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_page_is_fresh(generator):
    """docs/manifest.md is what the classes say now."""
    assert (ROOT / "docs" / "manifest.md").read_text(encoding="utf-8") == generator.reference()


def test_every_key_is_documented(generator):
    """Each class that a manifest can reach has a table, and each of its keys a line."""
    classes = set(generator.reachable(App))
    assert classes == generator.documented()
    assert [
        (cls, key) for cls in classes for key, field in keys(cls).items() if not field.metadata.get("doc")
    ] == []


def test_no_key_is_both_served_and_not():
    """A key that is served is taken off the list of those that are not."""
    assert [(cls, key) for cls, names in UNSERVED.items() for key in names if key in keys(cls)] == []


def test_example_is_valid(generator, tmp_path):
    """The example at the top of the page is a manifest that can be read."""
    from tests.cli.manifest.sample import app

    text = generator.INTRODUCTION.split("```toml\n")[1].split("```")[0]
    assert app(tmp_path, text).secrets == ("api_key",)
