import hashlib
import os

import pytest

from wasmdeploy_cli.deployment.publish import _copy, prune, unpublish


@pytest.fixture
def base(tmp_path):
    """A components directory with one app, beside a file that is not the app's."""
    (tmp_path / "components" / "default" / "hello").mkdir(parents=True)
    (tmp_path / "precious").write_text("")
    return tmp_path / "components"


def test_an_app_leaves_nothing(base):
    """An app's directory is removed, and its namespace's where that was the last."""
    unpublish("default", "hello", base)
    assert list(base.iterdir()) == []


def test_other_apps_stay(base):
    """Another app of the namespace is left alone."""
    (base / "default" / "other").mkdir()
    unpublish("default", "hello", base)
    assert [each.name for each in (base / "default").iterdir()] == ["other"]


@pytest.mark.parametrize(
    ("namespace", "name"), [("default", "../.."), ("..", ".."), ("default", ".."), ("", ""), ("default", "")]
)
def test_a_name_that_leads_out(base, namespace, name):
    """A job that is called like a path removes nothing."""
    unpublish(namespace, name, base)
    assert (base / "default" / "hello").is_dir()
    assert (base.parent / "precious").is_file()


def test_components_stay_as_long_as_a_version_needs_them(base):
    """What no version uses is removed, unless it is so new that a deploy may be about to use it."""
    directory = base / "default" / "hello"
    for name, age in (("a", 1000), ("b", 1000), ("c", 3000)):
        file = directory / f"{name * 64}.wasm"
        file.write_bytes(b"")
        os.utime(file, (age, age))
    (directory / "note.txt").write_text("")
    assert prune(directory, ["sha256:" + "a" * 64], 2000) == [f"{'b' * 64}.wasm"]
    assert sorted(file.name[0] for file in directory.iterdir()) == ["a", "c", "n"]


def test_a_damaged_component_is_sent_again(tmp_path):
    """A file under the right name with other content is replaced; a good one is left, and looks new."""
    source, target = tmp_path / "app.wasm", tmp_path / "there.wasm"
    source.write_bytes(b"whole")
    digest = "sha256:" + hashlib.sha256(b"whole").hexdigest()
    target.write_bytes(b"who")
    assert _copy(source, target, digest)
    assert target.read_bytes() == b"whole"
    os.utime(target, (1000, 1000))
    assert not _copy(source, target, digest)
    assert target.stat().st_mtime > 1000
