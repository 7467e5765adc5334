import json
import logging
import os
import pty
import re
import subprocess
from pathlib import Path

import pytest

from tests.cli.server import serving
from tests.e2e.cli import PROGRAM, environment


def test_the_version(run):
    """--version prints name and version, and nothing else."""
    code, out, err = run("--version")
    assert (code, err) == (0, "")
    assert out.startswith("wasmdeploy 0.")


def test_every_command_has_help(run):
    """Each command says in its help what it does, and shows an example on a line of its own."""
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
        assert f"\n  Example: wasmdeploy {command}" in text or f"{command} [OPTIONS] COMMAND" in text


def test_an_error_is_one_line(run):
    """An error is one line on stderr, a hint below it, and the error's exit code; stdout stays empty."""
    code, out, err = run("new", "Not A Name")
    assert (code, out) == (2, "")
    assert err.startswith("error: 'Not A Name'")
    assert "Traceback" not in err


def test_markup_in_an_error_is_text(run):
    """What looks like markup in an error is shown as it is."""
    assert "[bold]x[/]" in run("new", "[bold]x[/]")[2]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("build", "--json", "nowhere"), "nowhere: No such file or directory"),
        (("deploy", "--json", "--timeout", "soon"), "--timeout: 'soon' is no duration"),
        (("new", "--json"), "missing argument 'NAME'"),
        (("stack", "up", "--clients", "0", "--json"), "invalid value for '--clients'"),
        (("fly", "--json"), "no such command 'fly'"),
    ],
)
def test_an_error_as_json(run, arguments, words):
    """With --json an error is one object on stdout, that of a command line that cannot be read, too; no words."""
    code, out, err = run(*arguments)
    assert (code, err) == (2, "")
    said = json.loads(out)
    assert said.keys() == {"error", "hint"}
    assert said["error"].startswith(words)


def test_an_error_of_the_driver_says_what_to_do_next(run):
    """A hint stands below every error, also where what went wrong is found by code that nodes run, too."""
    Path("new.wasm").write_bytes(b"\0asm\x63\0\0\0")
    code, _, err = run("run", "new.wasm")
    assert code == 1
    assert re.fullmatch("error: .*new.wasm.*version.*\nhint: build it anew for WASI; .*\n", err)


def test_a_guests_own_json_is_none_of_ours(run):
    """An argument of a guest's changes nothing of how our errors are told."""
    code, out, err = run("run", "nowhere.wasm", "--json")
    assert (code, out) == (1, "")
    assert err.startswith("error: ")


@pytest.mark.parametrize("arguments", [("--debug", "new", "Not A Name"), ("new", "Not A Name", "--debug")])
def test_a_traceback_on_demand(run, arguments):
    """With --debug, before or after the command, an error has its traceback, and its exit code; the next run none."""
    code, _, err = run(*arguments)
    assert code == 2
    assert err.startswith("Traceback")
    assert "\nerror: 'Not A Name' is no name" in err
    assert run("new", "Not A Name")[2].startswith("error: ")


@pytest.mark.parametrize("arguments", [("-q", "new", "hello"), ("new", "hello", "--quiet")])
def test_quiet(run, arguments):
    """With --quiet only results and errors are said."""
    assert run("new", "first")[2].startswith("Created first/")
    assert run(*arguments) == (0, "", "")
    assert run("-q", "new", "hello")[2].startswith("error: ")


@pytest.fixture
def loggers():
    """Puts the libraries' loggers back, which `--verbose` ties to this test's stderr."""
    changed = [logging.getLogger(name) for name in ("httpx", "urllib3.connectionpool")]
    before = [(each.handlers[:], each.level, each.propagate) for each in changed]
    yield
    for each, (each.handlers[:], level, each.propagate) in zip(changed, before, strict=True):
        each.setLevel(level)


@pytest.mark.usefixtures("loggers")
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
    """What the command line does not know is exit code 2, an error like others, and leads to the right help."""
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert re.fullmatch(r"error: .*\nhint: see: wasmdeploy( new| up)? --help\n", err)


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (("--version",), 1, "error: standard output: No space left on device\n"),
        (("list", "--namespace", "a/b", "--json"), 2, "error: --namespace: 'a/b' is no Nomad namespace\n"),
    ],
)
def test_output_that_cannot_be_written(arguments, code, error):
    """It is one error, and no error is lost with it."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [PROGRAM, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr.partition("hint: ")[0]) == (code, error)
