"""What `wasmdeploy stack` and `wasmdeploy driver` print."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from wasmdeploy_cli.commands import driver, stack
from wasmdeploy_cli.stack import directory
from wasmdeploy_cli.stack.config import Features
from wasmdeploy_cli.stack.ports import wanted
from wasmdeploy_cli.stack.processes import Process
from wasmdeploy_cli.stack.record import Record


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
