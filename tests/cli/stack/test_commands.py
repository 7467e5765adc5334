"""What `wasmdeploy stack` and `wasmdeploy driver` print."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from tests.stack.fixtures import Events
from wasmdeploy_cli.commands import driver, stack
from wasmdeploy_cli.stack import directory
from wasmdeploy_cli.stack import up as starting
from wasmdeploy_cli.stack.config import Features
from wasmdeploy_cli.stack.ports import wanted
from wasmdeploy_cli.stack.processes import Process
from wasmdeploy_cli.stack.record import Record
from wasmdeploy_cli.stack.start import undone_on_failure
from wasmdeploy_cli.stack.state import StackState
from wasmdeploy_driver.secrets import Secret


@pytest.fixture
def app() -> typer.Typer:
    """The commands as `main` joins them."""
    app = typer.Typer()
    for name, command in (("up", stack.up), ("down", stack.down), ("status", stack.status)):
        app.command(name)(command)
    for name, command in (("install", driver.install), ("config", driver.config)):
        app.command(name)(command)
    return app


def test_status_of_nothing(app: typer.Typer, tmp_path: Path) -> None:
    """Without a stack the exit code is 3, and the words say how to get one."""
    result = CliRunner().invoke(app, ["status", "--data-dir", str(tmp_path)])
    assert result.exit_code == 3
    assert result.stdout == ""
    assert "wasmdeploy stack up" in result.stderr


def test_status_of_crashed(app: typer.Typer, tmp_path: Path) -> None:
    """Members that are gone show as crashed, with exit code 3, also as JSON."""
    owned = directory.claimed(tmp_path / "stack")
    Record(Features(), wanted(1), {"consul": Process(1, 0, "another boot")}).save(owned.state)
    result = CliRunner().invoke(app, ["status", "--json", "--data-dir", str(owned.path)])
    assert result.exit_code == 3
    assert [(each["name"], each["state"]) for each in json.loads(result.stdout)] == [
        ("consul", "crashed"),
        ("vault", "stopped"),
        ("nomad", "stopped"),
        ("client-1", "stopped"),
        ("traefik", "stopped"),
    ]
    assert json.loads(result.stdout)[0]["detail"] == "process 1 is gone"
    result = CliRunner().invoke(app, ["status", "--data-dir", str(owned.path)])
    rows = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert "consul crashed http://127.0.0.1:8500 process 1 is gone" in rows


def test_down_of_nothing(app: typer.Typer, tmp_path: Path) -> None:
    """Stopping where no stack is says so and is no failure."""
    result = CliRunner().invoke(app, ["down", "--data-dir", str(tmp_path)])
    assert result.exit_code == 0
    assert result.stderr == f"No stack is in {tmp_path}.\n"


@pytest.mark.parametrize("known", [False, True], ids=["--data-dir", "WASMDEPLOY_STACK_DIR"])
def test_hints_name_the_directory(
    app: typer.Typer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    """A stack elsewhere is named to the commands that would not find it, and only then."""
    where = tmp_path / "a stack"
    state = StackState("", "", "", Secret(""), "", "", "", where / "components", where)
    monkeypatch.setattr(starting, "up", lambda options, output: state)
    monkeypatch.setenv("WASMDEPLOY_STACK_DIR", str(where if known else tmp_path))
    option = "" if known else f" --data-dir '{where}'"
    said = CliRunner().invoke(app, ["up", "--data-dir", str(where)]).stderr
    assert said.endswith(f"Stop it with: wasmdeploy stack down{option}\n")
    assert (f"export WASMDEPLOY_STACK_DIR='{where}'\n" in said) is not known
    said = CliRunner().invoke(app, ["status", "--data-dir", str(where)]).stderr
    assert said == f"No stack is here. Start one with: wasmdeploy stack up{option}\n"


def test_ports_that_are_told() -> None:
    """A port of before is kept, which is no trouble; one that was taken by somebody is."""
    numbers = {**wanted(1), "consul.http": 19612, "vault.http": 12345, "nomad.rpc": 12346}
    out = Events()
    starting._tell_moved(numbers, {"consul.http": 19612, "vault.http": 8200}, Features(), out)
    assert out.events == [
        ("port", "consul is on 19612, as before"),
        ("port", "Port 8200 is not free: vault is on 12345"),
    ]


@pytest.mark.parametrize(("error", "word"), [(KeyboardInterrupt, "was interrupted"), (OSError, "failed")])
def test_why_a_start_is_undone(tmp_path: Path, error: type[BaseException], word: str) -> None:
    """Ctrl-C is no failure."""
    out = Events()
    with pytest.raises(error), undone_on_failure(directory.claimed(tmp_path), Record(), out):
        raise error
    assert out.events == [("stopping", f"The start {word}: stopping what it started")]


def test_down_of_a_stopped_stack(app: typer.Typer, tmp_path: Path) -> None:
    """Nothing is said to be stopped where nothing runs."""
    Record(Features(), wanted(1)).save(directory.claimed(tmp_path).state)
    result = CliRunner().invoke(app, ["down", "--data-dir", str(tmp_path)])
    assert (result.exit_code, result.stderr) == (
        0, f"The stack is stopped; its data stays in {tmp_path}.\n"
    )  # fmt: skip


def test_driver_config(app: typer.Typer) -> None:
    """The block on stdout is what the agent's configuration takes."""
    result = CliRunner().invoke(app, ["config", "--data-dir", "/var/lib/w", "--allow-path", "/srv/guests"])
    assert result.exit_code == 0
    assert result.stdout == (
        'plugin "nomad-driver-wasm" {\n  config {\n    data_dir    = "/var/lib/w"\n'
        '    allow_paths = ["/srv/guests"]\n  }\n}\n'
    )


def test_driver_install(app: typer.Typer, tmp_path: Path) -> None:
    """The path goes to stdout, the next step to stderr."""
    for words in ("Installed.", "It was installed already."):
        result = CliRunner().invoke(app, ["install", "--plugin-dir", str(tmp_path)])
        assert result.exit_code == 0
        assert result.stdout == f"{tmp_path}/nomad-driver-wasm\n"
        assert words in result.stderr
        assert "wasmdeploy driver config" in result.stderr
