"""The built wheel holds what an installed wasmdeploy needs."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of the files in the wheel."""
    directory = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(directory)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = directory.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.mark.parametrize(
    "name",
    [
        "wasmdeploy_cli/jobspecs/app.nomad.hcl.j2",
        "wasmdeploy_cli/templates/http-py/wasmdeploy.toml",
        "wasmdeploy_cli/templates/http-py/app.py",
        "wasmdeploy_cli/templates/http-py/dot-gitignore",
        "wasmdeploy_cli/templates/http-rust/Cargo.lock",
        "wasmdeploy_cli/templates/http-rust/src/main.rs",
        "wasmdeploy_cli/templates/http-go/main.go",
        "wasmdeploy_cli/templates/http-js/package-lock.json",
        "wasmdeploy_http/__init__.py",
        "wasmdeploy_http/py.typed",
        "wasmdeploy_cli/wit/wasmdeploy.wit",
        "wasmdeploy_cli/py.typed",
        "wasmdeploy_driver/adapter/compose.wasm",
        "wasmdeploy_driver/plugin/proto/__init__.py",
    ],
)
def test_the_wheel_has(contents: set[str], name: str) -> None:
    """Data files travel with the code that reads them."""
    assert name in contents


def test_the_wheel_has_nothing_else(contents: set[str]) -> None:
    """Neither tests nor the adapter's sources are installed."""
    tops = {name.split("/")[0] for name in contents}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "wasmdeploy_cli",
        "wasmdeploy_driver",
        "wasmdeploy_http",
    }
    own = {name for name in contents if "/templates/" not in name}
    assert not [name for name in own if name.endswith(".rs")]
    assert not [
        name for name in contents if name.endswith(".pyc") or "/target/" in name or "/node_modules/" in name
    ]
