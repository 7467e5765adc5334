"""`wasmdeploy secrets` as a user types it, with the real Vault."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
from pathlib import Path

import pytest

from tests.cli.secrets.test_setup import trusted_key
from tests.e2e.cli import PROGRAM, environment
from tests.stack.vault import VaultServer

pytestmark = pytest.mark.stack

MANIFEST = """
[application]
name = "NAME"
[variables]
token = { secret = true }
more = { secret = true }
plain = { default = "x" }
user = { secret = true, vault = "database/creds/app#username" }
[[trigger.http]]
route = "/..."
component = "c"
[component.c]
source = "c.wasm"
"""


class Tool:
    """Runs `wasmdeploy secrets` for one app of its own."""

    def __init__(self, vault: VaultServer, directory: Path) -> None:
        self.vault, self.directory = vault, directory
        self.name = "t" + directory.name.replace("_", "-").lower().strip("-")
        (directory / "wasmdeploy.toml").write_text(MANIFEST.replace("NAME", self.name))

    def __call__(self, *arguments: str, given: str = "", code: int = 0, token: str | None = None) -> str:
        """Its standard output, or its standard error where it fails as it should."""
        env = environment(NOMAD_ADDR="http://127.0.0.1:1", **self.vault.env(token))
        done = subprocess.run(
            [PROGRAM, "secrets", *arguments], cwd=self.directory, env=env, input=given,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == code, done
        assert "Traceback" not in done.stderr
        return done.stdout if not code else done.stdout + done.stderr

    def on_a_terminal(self, *arguments: str, typed: tuple[tuple[str, str], ...] = ()) -> str:
        """What a terminal shows; `typed` are prompts and what is typed at each."""
        ours, theirs = pty.openpty()
        env = environment(NOMAD_ADDR="http://127.0.0.1:1", **self.vault.env())
        with subprocess.Popen(
            [PROGRAM, "secrets", *arguments], cwd=self.directory, env=env, start_new_session=True,
            stdin=theirs, stdout=theirs, stderr=theirs,
        ) as process:  # fmt: skip
            os.close(theirs)
            shown = ""
            try:
                for prompt, answer in typed:
                    while prompt not in shown:
                        shown += self._read(ours)
                    os.write(ours, answer.encode() + b"\n")
                while more := self._read(ours):
                    shown += more
            finally:
                process.kill()
        os.close(ours)
        return shown

    def _read(self, terminal: int) -> str:
        """What comes next; nothing once the other side is closed."""
        assert select.select([terminal], [], [], 30)[0], "the terminal is silent"
        try:
            return os.read(terminal, 4096).decode()
        except OSError:
            return ""


@pytest.fixture
def tool(vault: VaultServer, tmp_path: Path) -> Tool:
    """The tool, in a directory with a manifest."""
    return Tool(vault, tmp_path)


def test_a_value_there_and_back(tool: Tool) -> None:
    """Any text comes back from a pipe as it went in, to the byte; a last newline is dropped."""
    for value in ("s3cret", "with\nlines\n", "é \\ ' \" $x", ""):
        tool("set", "token", given=value + "\n")
        assert tool("get", "token") == value
    assert json.loads(tool("get", "token", "--json", "--version", "1")) == {
        "secret": "token", "version": 1, "value": "s3cret",
    }  # fmt: skip


def test_a_terminal_shows_a_value_on_demand_only(tool: Tool) -> None:
    """On a terminal, `get` wants --reveal, with --json too; then it shows the value without what steers a terminal."""
    tool("set", "token", given="s3\x1b[31mcret")
    for arguments in (("get", "token"), ("get", "token", "--json")):
        shown = tool.on_a_terminal(*arguments)
        assert "--reveal" in shown
        assert "cret" not in shown
    assert "s3\ufffd[31mcret" in tool.on_a_terminal("get", "token", "--reveal")


def test_a_prompt_shows_nothing_and_asks_twice(tool: Tool) -> None:
    """What is typed is not shown; two that differ store nothing."""
    shown = tool.on_a_terminal("set", "token", typed=(("Value of token:", "s3cret"), ("Again:", "s3cret")))
    assert "s3cret" not in shown
    assert "Stored token, version 1" in shown
    assert "the two values differ" in tool.on_a_terminal(
        "set", "token", typed=(("Value of token:", "one"), ("Again:", "other"))
    )
    assert tool("get", "token") == "s3cret"


def test_listing_and_removing(tool: Tool) -> None:
    """The list says what is missing and ends with 1 then; a removed value is still in the version before."""
    assert [each["stored"] for each in json.loads(tool("list", "--json", code=1).splitlines()[0])] == [
        False, False, True,
    ]  # fmt: skip
    tool("import", "-", given="token=1\nmore=2\n")
    assert "version 1" in tool("list")
    assert json.loads(tool("unset", "token", "--json"))["version"] == 2
    assert "no such secret: token" in tool("get", "token", code=1)
    assert tool("get", "token", "--version", "1") == "1"
    assert "no" in tool("list", code=1)


def test_a_file_is_all_or_nothing(tool: Tool) -> None:
    """A name that is no secret stores nothing; a good file is one version; the same file again is none."""
    assert "has no secret variable 'plain'" in tool("import", "-", given="token=1\nplain=2", code=2)
    assert "is made by Vault" in tool("import", "-", given="user=2", code=2)
    assert tool("list", code=1).count("no\n") == 2
    (tool.directory / "x.env").write_text("token=1\nmore='2'\n")
    told = json.loads(tool("import", "x.env", "--json"))
    assert (told["event"], told["secrets"], told["version"]) == ("stored", ["token", "more"], 1)
    assert json.loads(tool("import", "x.env", "--json"))["event"] == "unchanged"


def test_a_difference_is_shown_without_values(tool: Tool) -> None:
    """`diff --file` says by name what an import would change, and ends with 1 where it would."""
    tool("set", "token", given="s3cret-1")
    (tool.directory / "x.env").write_text("token=s3cret-2\nmore=s3cret-3\n")
    shown = tool("diff", "--file", "x.env", code=1)
    assert [line.split()[:2] for line in shown.splitlines()[1:]] == [["token", "changed"], ["more", "new"]]
    assert "s3cret" not in shown
    tool("import", "x.env")
    assert tool("diff", "--file", "x.env").count("same") == 2


def test_what_cannot_be_stored(tool: Tool) -> None:
    """Names that are no secrets and tokens that may not write are told, each in one line."""
    undeclared = tool("set", "nosuch", given="x", code=2)
    assert "has no secret variable 'nosuch'" in undeclared
    assert "below [variables]: nosuch = { secret = true }" in undeclared
    assert "no value for token" in tool("set", "token", given="", code=2)
    reader = tool.vault.token(("secret/data/*", '"read"'))
    assert "refuses to write secret/default/" in tool("set", "token", given="x", code=1, token=reader)
    assert "does not know the token" in tool("list", code=1, token="hvs.invented")


def test_an_environment_has_secrets_of_its_own(tool: Tool) -> None:
    """With --env, each command means the place that the environment's tables name."""
    with (tool.directory / "wasmdeploy.toml").open("a") as manifest:
        manifest.write(f'[env.other.deploy.vault]\npath = "secret/default/{tool.name}-other"\n')
    tool("set", "token", "--env", "other", given="theirs")
    assert tool("get", "token", "--env", "other") == "theirs"
    assert "no such secret: token" in tool("get", "token", code=1)
    assert f"secret/default/{tool.name}-other#token" in tool("list", "--env", "other", code=1)
    assert f"secret/data/default/{tool.name}-other" in tool("policy", "--env", "other")
    tool("unset", "token", "--env", "other")


def test_a_value_is_in_no_argument(tool: Tool) -> None:
    """There is no way to give a value in the command line, where every user of the machine could read it."""
    assert "unexpected extra argument" in tool("set", "token", ".", "s3cret", code=2)
    for option in ("--value", "--secret"):
        assert "no such option" in tool("set", "token", option, "s3cret", code=2)


def test_the_policy_needs_no_vault(tool: Tool) -> None:
    """`policy` prints what `setup` would write, without a Vault."""
    done = subprocess.run(
        [PROGRAM, "secrets", "policy", "--json"],
        cwd=tool.directory,
        env=environment(),
        capture_output=True,
        check=True,
    )
    printed = json.loads(done.stdout)
    assert printed["name"] == f"wasmdeploy.default.{tool.name}"
    assert f'path "secret/data/default/{tool.name}"' in printed["policy"]
    assert printed["role"]["token_policies"] == [printed["name"]]


@pytest.mark.parametrize("block", [0, 1], ids=["storing", "policy"])
def test_the_pages_examples_run(tool: Tool, block: int) -> None:
    """What docs/secrets.md shows works as it is written there."""
    trusted_key(tool.vault, tool.directory)
    (tool.directory / "wasmdeploy.toml").write_text(
        MANIFEST.replace("NAME", tool.name).replace("more =", "other =").replace("user =", "# user =")
    )
    page = (Path(__file__).parents[3] / "docs" / "secrets.md").read_text()
    shown = re.findall(r"```console\n(.*?)```", page, re.S)[block]
    script = "set -eu\n" + re.sub(r"^\$ ", "", shown, flags=re.M)
    env = environment(PATH=f"{PROGRAM.parent}:{os.environ['PATH']}", **tool.vault.env())
    done = subprocess.run(
        ["bash", "-c", script], cwd=tool.directory, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done
    if block == 0:
        assert (tool.directory / "copy.txt").read_text() == "s3cret"
        assert (tool.directory / "before.txt").read_text() == "s3cret"
