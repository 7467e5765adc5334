"""The table of commands, and what it saves."""

from __future__ import annotations

import importlib
import inspect
import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from wasmdeploy_cli.commands.table import COMMANDS, Entry, Group

# What costs tens of milliseconds each to import; help needs none of it.
HEAVY = {"asyncio", "grpc", "httpx", "hvac", "jinja2", "msgpack", "nomad", "psutil", "requests", "rich", "ssl",
         "tomllib", "wasmtime", "websockets"}  # fmt: skip
PROGRAM = """
import json, sys
from wasmdeploy_cli.main import main
sys.argv[0] = "wasmdeploy"
try:
    main()
except SystemExit as ended:
    assert not ended.code, ended.code
finally:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


def entries() -> Iterator[tuple[tuple[str, ...], Entry]]:
    """Each command's words and entry."""
    for name, entry in COMMANDS.items():
        if isinstance(entry, Group):
            yield from (((name, below), each) for below, each in entry.entries.items())
        else:
            yield (name,), entry


every_command = pytest.mark.parametrize(
    ("words", "entry"), [pytest.param(words, entry, id=" ".join(words)) for words, entry in entries()]
)


def modules(*arguments: str) -> set[str]:
    """What a run of the command line imports."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("secrets", "--help")])
def test_help_imports_no_command(arguments: tuple[str, ...]) -> None:
    """Lists of commands and the version come without any command's module, and without a library that costs time."""
    imported = modules(*arguments)
    ours = {name for name in imported if name.startswith("wasmdeploy_cli.")}
    assert imported & HEAVY == set()
    assert ours == {
        f"wasmdeploy_cli.{name}"
        for name in ("commands", "commands.late", "commands.table", "console", "errors", "main")
    }


@every_command
def test_a_commands_help_imports_only_its_own_module(words: tuple[str, ...], entry: Entry) -> None:
    """The help of one command neither loads another's module nor what the command works with."""
    imported = modules(*words, "--help")
    commands = {name.split(".")[2] for name in imported if name.startswith("wasmdeploy_cli.commands.")}
    assert imported & HEAVY == set()
    assert commands - {"late", "table", "options", "checked", "complete", "cluster"} == {entry.module}


@every_command
def test_a_line_of_help_is_the_commands_own(words: tuple[str, ...], entry: Entry) -> None:
    """The list says what the command's own help begins with, and that shows an example of how it is typed."""
    module = importlib.import_module(f"wasmdeploy_cli.commands.{entry.module}")
    text = inspect.cleandoc(getattr(module, entry.function).__doc__)
    assert text.splitlines()[0] == entry.help
    assert f"wasmdeploy {' '.join(words)}" in " ".join(text.split())
    assert "Example" in text


# What they print has a form of its own: a guest's output, a job, a policy, a plugin block.
OTHER_FORM = {("render",), ("run",), ("driver", "config")}


@every_command
def test_a_command_can_print_json(words: tuple[str, ...], entry: Entry) -> None:
    """For programs, every command has --json."""
    module = importlib.import_module(f"wasmdeploy_cli.commands.{entry.module}")
    parameters = inspect.signature(getattr(module, entry.function)).parameters
    assert bool({"as_json", "json"} & parameters.keys()) is (words not in OTHER_FORM)
