"""Finding the programs."""

from pathlib import Path

import pytest

from tests.stack import build
from wasmdeploy_cli.errors import StackError
from wasmdeploy_cli.stack import programs


def put(directory: Path, *names: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        (directory / name).write_text("#!/bin/sh\n")
        (directory / name).chmod(0o755)
    return directory


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An own cache, and a PATH with nothing on it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    return tmp_path / "cache" / "wasmdeploy" / "bin"


def test_order(tmp_path: Path, cache: Path) -> None:
    """--bin-dir goes before PATH, PATH before the cache."""
    put(cache, "consul", "vault", "nomad")
    put(tmp_path / "path", "consul", "vault")
    put(tmp_path / "given", "consul")
    assert programs.found(tmp_path / "given", ["consul", "vault", "nomad"]) == {
        "consul": tmp_path / "given" / "consul",
        "vault": tmp_path / "path" / "vault",
        "nomad": cache / "nomad",
    }


def test_missing(tmp_path: Path, cache: Path) -> None:
    """The error names every missing program, where it was looked for, and what to do."""
    put(cache, "consul")
    with pytest.raises(StackError) as caught:
        programs.found()
    assert caught.value.message == f"vault, nomad, traefik: found neither on PATH nor in {cache}"
    assert "--bin-dir" in caught.value.hint


@pytest.mark.usefixtures("cache")
def test_same_cache() -> None:
    """The build script puts the programs where the stack looks for them."""
    assert build.cache_dir() == programs.cache_dir()
    assert {program.name for program in build.PROGRAMS} == set(programs.PROGRAMS)
