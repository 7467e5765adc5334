import pytest

from tests.cli.manifest.sample import SMALL
from wasmdeploy_cli.errors import ConfigError
from wasmdeploy_cli.manifest import load

TEXT = (
    SMALL
    + """
[variables]
greeting = { default = "Hello" }
name = { default = "world" }

[deploy]
host = "hello.localhost"
count = 1

[env.production.deploy]
host = "hello.example.com"
datacenters = ["a", "b"]

[env.production.variables]
greeting = { default = "Welcome" }

[env.broken.deploy]
count = 0
"""
)


@pytest.fixture
def manifest(tmp_path):
    path = tmp_path / "wasmdeploy.toml"
    path.write_text(TEXT)
    return path


def test_without_a_name_environments_do_nothing(manifest):
    """An environment that is not asked for changes nothing, even where it is wrong."""
    app = load(manifest)
    assert (app.deploy.host, app.variables["greeting"].default) == ("hello.localhost", "Hello")


def test_an_environment_is_laid_over_key_by_key(manifest):
    """What it names is replaced, the rest stays."""
    app = load(manifest, "production")
    assert (app.deploy.host, app.deploy.count, app.deploy.datacenters) == ("hello.example.com", 1, ("a", "b"))
    assert {name: variable.default for name, variable in app.variables.items()} == {
        "greeting": "Welcome", "name": "world",
    }  # fmt: skip


def test_an_error_names_the_environments_own_line(manifest):
    """A wrong value is found where it stands."""
    line = TEXT.splitlines().index("count = 0") + 1
    with pytest.raises(ConfigError, match=f"wasmdeploy.toml:{line}: deploy.count: must be at least 1"):
        load(manifest, "broken")


def test_an_unknown_environment(manifest):
    """The nearest name is offered."""
    with pytest.raises(ConfigError, match="no environment 'prod'") as caught:
        load(manifest, "prod")
    assert caught.value.hint == "did you mean 'production'?"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("env = 1", "env: expected a table, got a whole number"),
        ("[env]\na = 1", "env.a: expected a table, got a whole number"),
        ("[env.a.trigger]\nhttp = []", "env.a.trigger: cannot differ"),
    ],
)
def test_what_is_no_environment(tmp_path, text, words):
    """Only tables that can differ are taken, whether asked for or not."""
    path = tmp_path / "wasmdeploy.toml"
    path.write_text(text + "\n" + SMALL if text.startswith("env") else SMALL + text)
    with pytest.raises(ConfigError, match=words):
        load(path)


def test_a_spin_manifest_has_none(tmp_path):
    """Spin knows no such tables."""
    path = tmp_path / "spin.toml"
    path.write_text("spin_manifest_version = 2\n" + SMALL)
    with pytest.raises(ConfigError, match="has no environments"):
        load(path, "production")


def test_the_first_environment(tmp_path):
    """Where there is none yet, it is told what one looks like."""
    path = tmp_path / "wasmdeploy.toml"
    path.write_text(SMALL)
    with pytest.raises(ConfigError, match=r"has no environment 'prod'") as caught:
        load(path, "prod")
    assert caught.value.hint.startswith("add one: [env.prod.deploy]")
