import json
import os
import pty
import re
import subprocess
import sys

import pytest

from tests.cli.server import serving
from tests.e2e.cli import PROGRAM, environment
from wasmdeploy_cli.errors import ConfigError
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


@pytest.mark.parametrize("arguments", [("--debug", "new", "Not A Name"), ("new", "Not A Name", "--debug")])
def test_a_traceback_on_demand(monkeypatch, tmp_path, arguments):
    """With --debug, before or after the command, an error is raised as it is; the next run has forgotten it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["wasmdeploy", *arguments])
    with pytest.raises(ConfigError, match="Not A Name"):
        main()
    monkeypatch.setattr(sys, "argv", ["wasmdeploy", "new", "Not A Name"])
    with pytest.raises(SystemExit):
        main()


@pytest.mark.parametrize("arguments", [("-q", "new", "hello"), ("new", "hello", "--quiet")])
def test_quiet(run, arguments):
    """With --quiet only results and errors are said."""
    assert run("new", "first")[2].startswith("Created first/")
    assert run(*arguments) == (0, "", "")
    assert run("-q", "new", "hello")[2].startswith("error: ")


def test_verbose_tells_requests_without_their_secrets(run, monkeypatch):
    """With --verbose each request is a line with its URL and status, and no token."""
    monkeypatch.setenv("NOMAD_TOKEN", "n-token")
    with serving() as server:
        server.status = 404
        monkeypatch.setenv("NOMAD_ADDR", server.url)
        _, out, err = run("logs", "--app", "shop", "--verbose")
    assert out == ""
    assert '"GET /v1/job/shop' in err
    assert " 404 " in err
    assert "n-token" not in err


@pytest.mark.parametrize(
    ("variables", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False), (None, False)],
    ids=["terminal", "NO_COLOR", "dumb", "pipe"],
)
def test_colours(tmp_path, variables, coloured):
    """Errors have colours on a terminal only, and never with NO_COLOR or on one that has none."""
    ours, theirs = pty.openpty() if variables is not None else os.pipe()
    env = {**environment(TERM="xterm"), **(variables or {})}
    if variables is None or "NO_COLOR" not in variables:
        del env["NO_COLOR"]
    subprocess.run([PROGRAM, "build", "nowhere"], stderr=theirs, env=env, cwd=tmp_path, check=False)
    shown = os.read(ours, 4096)
    os.close(ours)
    os.close(theirs)
    assert b"nowhere" in shown
    assert bool(re.search(rb"\x1b\[[0-9;]*3[0-7]", shown)) is coloured


@pytest.mark.parametrize("arguments", [("fly",), ("--fly",), ("new",), ("up", "--listen")])
def test_a_wrong_command_line(run, arguments):
    """What the command line does not know is exit code 2."""
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert "Error: " in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("deploy",),
        ("rollback", "--app", "shop"),
        ("scale", "2", "--app", "shop"),
        ("restart", "--app", "shop"),
        ("promote", "--app", "shop"),
        ("stop", "--app", "shop"),
        ("destroy", "--app", "shop"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_time_out_is_read_before_anything_is_done(run, monkeypatch, arguments):
    """What is no duration ends the command before it asks the cluster, let alone changes it."""
    with serving() as server:
        monkeypatch.setenv("NOMAD_ADDR", server.url)
        code, _, err = run(*arguments, "--timeout", "soon")
    assert (code, err.splitlines()[0]) == (2, "error: --timeout: 'soon' is no duration")
    assert server.asked == []
