"""What the shell offers, asked as the shells ask."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.cli.server import serving
from tests.e2e.cli import PROGRAM, environment

MANIFEST = """
[application]
name = "shop"
[variables]
token = { secret = true, description = "of the bank" }
other = { secret = true }
plain = { default = "x" }
[[trigger.http]]
route = "/..."
component = "front"
[component.front]
source = "x.wasm"
"""
BASH = """
PATH="{bin}:$PATH"
eval "$(_WASMDEPLOY_COMPLETE=source_bash wasmdeploy)"
COMP_WORDS=({words})
COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
_wasmdeploy_completion wasmdeploy
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
NOWHERE = "http://127.0.0.1:1"


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A directory with a manifest."""
    (tmp_path / "wasmdeploy.toml").write_text(MANIFEST)
    return tmp_path


def offered(words: str, directory: Path, nomad: str = NOWHERE, **more: str) -> list[str]:
    """What bash offers for the last of the words."""
    script = BASH.format(bin=PROGRAM.parent, words=words)
    done = subprocess.run(
        ["bash", "--norc", "-c", script], cwd=directory, env=environment(NOMAD_ADDR=nomad, **more),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def test_bash_offers_commands_and_options(tmp_path: Path) -> None:
    """Commands, the commands below one, and a command's options with those of every command."""
    assert offered("wasmdeploy st", tmp_path) == ["stop", "status", "stack"]
    assert offered("wasmdeploy stack d", tmp_path) == ["down"]
    assert offered("wasmdeploy status --", tmp_path) == [
        "--watch", "--app", "--namespace", "--env", "--json", "--quiet", "--verbose", "--debug", "--help",
    ]  # fmt: skip


def test_templates_are_offered(tmp_path: Path) -> None:
    """What an app can be made from."""
    assert offered("wasmdeploy new x --template http-r", tmp_path) == ["http-rust"]


def test_secrets_come_from_the_manifest(app: Path) -> None:
    """The names of secret variables are offered, without any cluster, and plain variables are not."""
    assert offered("wasmdeploy secrets set ''", app) == ["token", "other"]
    assert offered("wasmdeploy secrets set t", app) == ["token"]


def test_apps_come_from_nomad(app: Path) -> None:
    """The jobs that wasmdeploy made are offered; other jobs are not. Nomad is asked with the token."""
    with serving() as server:
        ours = '{"ID":"shop","Status":"running","Namespace":"default","Meta":{"wasmdeploy_version":"1"}}'
        server.chunks = [f'[{ours},{{"ID":"shell","Meta":null}}]'.encode()]
        assert offered("wasmdeploy status --app sh", app, server.url, NOMAD_TOKEN="n-token") == ["shop"]
        ((method, target, headers, _),) = server.asked
    assert (method, target, headers["X-Nomad-Token"]) == ("GET", "/v1/jobs?meta=true&namespace=*", "n-token")


@pytest.mark.parametrize("manifest", [None, "nonsense", "[application]"])
def test_what_cannot_be_known_is_silence(tmp_path: Path, manifest: str | None) -> None:
    """No manifest, a broken one, no Nomad: nothing is offered and nothing is said."""
    if manifest is not None:
        (tmp_path / "wasmdeploy.toml").write_text(manifest)
    assert offered("wasmdeploy secrets set ''", tmp_path) == []
    assert offered("wasmdeploy status --app ''", tmp_path) == []


@pytest.mark.parametrize(
    ("shell", "answer"),
    [("zsh", '_arguments \'*: :(("token":"of the bank"))\''), ("fish", "token\tof the bank")],
)
def test_other_shells_are_told_what_it_is(app: Path, shell: str, answer: str) -> None:
    """zsh and fish show what a secret is for beside its name."""
    asked = {
        "_WASMDEPLOY_COMPLETE": f"complete_{shell}",
        "_TYPER_COMPLETE_ARGS": "wasmdeploy secrets set t",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    done = subprocess.run(
        [PROGRAM], cwd=app, env=environment(**asked), capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == answer
