import re
from typing import get_type_hints

import pytest

from wasmdeploy_cli import templates
from wasmdeploy_cli.commands import new
from wasmdeploy_cli.errors import ConfigError
from wasmdeploy_cli.manifest import load


@pytest.mark.parametrize("template", templates.names())
def test_a_new_app(template, tmp_path):
    """Every template gives an app whose manifest is valid; no placeholder is left, and git gets no values."""
    directory = tmp_path / "deep" / "hello"
    files = templates.create(template, "hello", directory)
    assert load(directory).name == "hello"
    assert sorted(files) == sorted(
        str(file.relative_to(directory)) for file in directory.rglob("*") if file.is_file()
    )
    for file in directory.rglob("*"):
        assert not file.is_file() or "{{name}}" not in file.read_text()
    assert {"*.wasm", "plan.json", "*.env"} <= set((directory / ".gitignore").read_text().split())


def test_an_unknown_template(tmp_path):
    """The hint names those there are, and so does the option's help."""
    with pytest.raises(ConfigError) as caught:
        templates.create("http-cobol", "hello", tmp_path / "app")
    assert caught.value.hint == "the templates are: http-go, http-js, http-py, http-rust"
    (option,) = (each for each in get_type_hints(new.command, include_extras=True)["template"].__metadata__)
    assert set(re.findall(r"http-\w+", option.help)) == set(templates.names())


def test_dot_files(tmp_path):
    """A file that is called dot-… in the template begins with a dot in the app."""
    assert ".gitignore" in templates.create("http-py", "hello", tmp_path / "hello")


def test_an_empty_directory_is_taken(tmp_path):
    """An empty directory that is there already is used."""
    templates.create("http-py", "hello", tmp_path)
    assert (tmp_path / "app.py").is_file()


@pytest.mark.parametrize(
    ("template", "name", "words"),
    [
        ("http-cobol", "hello", "no template"),
        ("../templates/http-py", "hello", "no template"),
        ("", "hello", "no template"),
        ("http-py", "Hello", "no name"),
        ("http-py", "", "no name"),
        ("http-py", "../x", "no name"),
        ("http-py", "a" * 200, "no name"),
        ("http-py", "a\n", "no name"),
    ],
)
def test_what_is_refused(tmp_path, template, name, words):
    """An unknown template or a name that is none leaves nothing behind."""
    with pytest.raises(ConfigError, match=words):
        templates.create(template, name, tmp_path / "app")
    assert not (tmp_path / "app").exists()


@pytest.mark.parametrize("kind", ["file", "directory"])
def test_nothing_is_overwritten(tmp_path, kind):
    """A directory with something in it, or a file in its place, is left alone."""
    place = tmp_path / "app"
    inside = place if kind == "file" else place / "mine"
    inside.parent.mkdir(exist_ok=True)
    inside.write_text("precious")
    with pytest.raises(ConfigError, match="exists already"):
        templates.create("http-py", "hello", place)
    assert inside.read_text() == "precious"


def test_a_place_that_cannot_be_made(tmp_path):
    """A place where no directory can be made is an error."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot create"):
        templates.create("http-py", "hello", tmp_path / "file" / "app")
