"""Putting the driver where Nomad finds it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from wasmdeploy_cli import driver_install
from wasmdeploy_cli.errors import ConfigError


def run(path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([path], env=environment, capture_output=True, text=True, check=False)


def says_plugin(done: subprocess.CompletedProcess[str]) -> bool:
    """Without go-plugin's cookie the driver says what it is."""
    return done.returncode == 1 and "is a Nomad plugin" in done.stderr


def test_installed(tmp_path: Path) -> None:
    """The executable starts the driver, and the second time nothing changes."""
    first = driver_install.installed(tmp_path / "plugins")
    assert first.changed
    assert first.path == tmp_path / "plugins" / "nomad-driver-wasm"
    assert says_plugin(run(first.path))
    before = first.path.stat()
    assert not driver_install.installed(tmp_path / "plugins").changed
    assert first.path.stat().st_mtime_ns == before.st_mtime_ns
    assert [path.name for path in first.path.parent.iterdir()] == ["nomad-driver-wasm"]


def test_isolated(tmp_path: Path) -> None:
    """Neither the environment nor the working directory changes which code runs."""
    path = driver_install.installed(tmp_path / "plugins").path
    (tmp_path / "wasmdeploy_driver").mkdir()
    (tmp_path / "wasmdeploy_driver" / "__init__.py").write_text("raise SystemExit(99)\n")
    assert says_plugin(run(path, PYTHONPATH=str(tmp_path)))


def test_replaces_older(tmp_path: Path) -> None:
    """An older driver, a symbolic link or a file that is not executable is replaced."""
    target = tmp_path / "other"
    target.write_text("kept")
    path = tmp_path / "nomad-driver-wasm"
    path.symlink_to(target)
    assert driver_install.installed(tmp_path).changed
    assert target.read_text() == "kept"
    path.chmod(0o644)
    assert driver_install.installed(tmp_path).changed
    assert os.access(path, os.X_OK)


@pytest.mark.parametrize("folder", ["with space", 'it\'s "quoted" $HOME', "x" * 200 + "/" + "y" * 100])
def test_awkward_python(tmp_path: Path, folder: str) -> None:
    """A Python whose path no shebang can hold runs the driver all the same, in the same process."""
    python = tmp_path / folder / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    path = driver_install.installed(tmp_path / "plugins", str(python)).path
    assert path.read_text().startswith("#!/bin/sh\nexec ")
    assert says_plugin(run(path))


def test_launcher() -> None:
    """The usual executable is a three-line Python script."""
    assert driver_install.launcher("/opt/venv/bin/python") == (
        "#!/opt/venv/bin/python -I\n"
        "import sys\n\nfrom wasmdeploy_driver.plugin import main\n\nsys.exit(main())\n"
    )


def test_unimportable(tmp_path: Path) -> None:
    """A Python that would not find the driver is refused before Nomad's agent fails on it."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    python.chmod(0o755)
    with pytest.raises(ConfigError, match="the driver would not start"):
        driver_install.installed(tmp_path / "plugins", str(python))
    assert not (tmp_path / "plugins").exists()


def test_unwritable(tmp_path: Path) -> None:
    """A plugin directory that cannot be made is one clear error."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"Not a directory|File exists"):
        driver_install.installed(tmp_path / "file" / "plugins")


def test_plugin_block() -> None:
    """The agent's block holds what was given, quoted for HCL."""
    assert driver_install.plugin_block() == 'plugin "nomad-driver-wasm" {\n  config {\n  }\n}\n'
    assert (
        driver_install.plugin_block(Path('/a "b" ${c}'), [Path("/x"), Path("/y")], "https://vault:8200")
        == """\
plugin "nomad-driver-wasm" {
  config {
    data_dir    = "/a \\"b\\" $${c}"
    allow_paths = ["/x", "/y"]
    vault {
      address = "https://vault:8200"
    }
  }
}
"""
    )
