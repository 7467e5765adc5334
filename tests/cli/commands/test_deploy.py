"""What `deploy` and `up` say before they begin; deploys themselves are tested on the real programs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.cli.server import serving
from tests.e2e.cli import PROGRAM, environment

MANIFEST = """
[application]
name = "shop"
[[trigger.http]]
route = "/..."
component = "front"
[component.front]
source = "front.wasm"
[component.front.build]
command = "touch built"
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """An app that is not built yet; building it leaves a file."""
    (tmp_path / "wasmdeploy.toml").write_text(MANIFEST)
    return tmp_path


def said(app: Path, *arguments: str, nomad: str = "http://127.0.0.1:1") -> tuple[int, str]:
    """Exit code and words of a run in the app's directory."""
    done = subprocess.run(
        [PROGRAM, *arguments], cwd=app, env=environment(NOMAD_ADDR=nomad), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    return done.returncode, done.stderr


@pytest.mark.parametrize("options", [(), ("--build",)])
def test_a_cluster_that_is_not_there_is_told_before_a_build(app: Path, options: tuple[str, ...]) -> None:
    """A build can take minutes; that Nomad does not answer is known at once."""
    code, words = said(app, "deploy", *options)
    assert code == 1
    assert "error: Nomad at http://127.0.0.1:1 cannot be reached" in words
    assert not (app / "built").exists()


def test_a_token_that_may_not_deploy_is_told_before_a_build(app: Path) -> None:
    """Nomad refuses, and the hint names what the token's policy must allow."""
    with serving() as server:
        server.status, server.chunks = 403, [b"Permission denied"]
        code, words = said(app, "deploy", nomad=server.url)
    assert code == 1
    assert f"error: Nomad at {server.url} refuses: Permission denied" in words
    assert "submit-job" in words
    assert not (app / "built").exists()


def test_an_environment_is_the_manifests(app: Path) -> None:
    """`up --env` names one, as everywhere; who means a guest's environment is told how to give it."""
    code, words = said(app, "up", "--env", "MORE=more")
    assert code == 2
    assert "has no environment 'MORE=more'" in words
    assert "--guest-env" in words
