import pytest

from wasmdeploy_cli.deployment.publish import unpublish


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
