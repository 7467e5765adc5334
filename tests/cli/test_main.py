import json
import sys

import pytest

from wasmdeploy_cli.main import main


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Run the command line in an empty directory: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["wasmdeploy", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        out, err = capsys.readouterr()
        return caught.value.code or 0, out, err

    return run


def test_the_version(run):
    """--version prints name and version, and nothing else."""
    code, out, err = run("--version")
    assert (code, err) == (0, "")
    assert out.startswith("wasmdeploy 0.")


def test_every_command_has_help(run):
    """Each command says in its help what it does."""
    _, out, _ = run("--help")
    for command in (
        "new",
        "build",
        "up",
        "run",
        "render",
        "deploy",
        "status",
        "logs",
        "destroy",
        "stack",
        "driver",
    ):
        assert command in out
        code, text, _ = run(command, "--help")
        assert (code, "Usage: wasmdeploy" in text) == (0, True)


def test_an_error_is_one_line(run):
    """An error is one line on stderr, a hint below it, and the error's exit code; stdout stays empty."""
    code, out, err = run("new", "Not A Name")
    assert (code, out) == (2, "")
    assert err.startswith("error: 'Not A Name'")
    assert "Traceback" not in err


def test_markup_in_an_error_is_text(run):
    """What looks like markup in an error is shown as it is."""
    assert "[bold]x[/]" in run("new", "[bold]x[/]")[2]


def test_an_error_as_json(run):
    """With --json, the error is also an object on stdout."""
    code, out, _ = run("build", "--json", "nowhere")
    assert code == 2
    assert set(json.loads(out)) == {"error", "hint"}


def test_a_traceback_on_demand(monkeypatch, tmp_path):
    """With --debug an error is raised as it is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["wasmdeploy", "--debug", "new", "Not A Name"])
    with pytest.raises(Exception, match="Not A Name"):
        main()


@pytest.mark.parametrize("arguments", [("fly",), ("--fly",), ("new",), ("up", "--listen")])
def test_a_wrong_command_line(run, arguments):
    """What the command line does not know is exit code 2."""
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert "Error: " in err
