"""The script that builds the stack's programs."""

import subprocess
from pathlib import Path

import pytest

from tests.stack import build


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> build.Program:
    """A program whose `go build` is a script that counts its calls."""
    monkeypatch.setattr(build, "HERE", tmp_path)
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "go.mod").write_text("module tiny\n")
    tiny = build.Program("tiny", "example.com/tiny", "ui")
    monkeypatch.setattr(build, "PROGRAMS", (tiny,))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return tiny


def put_go(tmp_path: Path, build_script: str, version: str = "go1.26.1") -> None:
    (tmp_path / "bin").mkdir(exist_ok=True)
    go = tmp_path / "bin" / "go"
    go.write_text(
        "#!/bin/sh\n"
        f'if [ "$1" = version ]; then echo "go version {version} linux/amd64"; exit; fi\n'
        f'echo "$PWD $*" >> {tmp_path}/calls\n{build_script}\n'
    )
    go.chmod(0o755)


WRITES = 'while [ "$1" != -o ]; do shift; done; printf "#!/bin/sh\\n" > "$2"; chmod +x "$2"'


def test_builds_once(tmp_path: Path, tiny: build.Program) -> None:
    """A program is built read-only with its flags, kept, and built again when go.sum changes."""
    put_go(tmp_path, WRITES)
    out = tmp_path / "out"
    assert build.ensure(out) == out
    build.ensure(out)
    assert (tmp_path / "calls").read_text() == (
        f"{tmp_path}/tiny build -mod=readonly -trimpath -buildvcs=false -ldflags=-s -w -tags=ui "
        f"-o {out}/.tiny.partial example.com/tiny\n"
    )
    assert sorted(path.name for path in out.iterdir()) == [".lock", ".tiny.stamp", "tiny"]
    (tiny.module / "go.sum").write_text("changed\n")
    build.ensure(out)
    assert len((tmp_path / "calls").read_text().splitlines()) == 2


def test_path_wins(tmp_path: Path, tiny: build.Program) -> None:
    """An operator's own program is used as it is."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "tiny").write_text("#!/bin/sh\n")
    (tmp_path / "bin" / "tiny").chmod(0o755)
    assert build.needed(tmp_path) == []


@pytest.mark.usefixtures("tiny")
def test_failed_build(tmp_path: Path) -> None:
    """A failed build says what Go said, and leaves no program that would be taken for a good one."""
    put_go(tmp_path, "echo missing go.sum entry >&2; exit 1")
    with pytest.raises(build.BuildError, match=r"(?s)tiny cannot be built: .*missing go\.sum entry"):
        build.ensure(tmp_path / "out")
    assert not (tmp_path / "out" / "tiny").exists()
    assert not (tmp_path / "out" / ".tiny.stamp").exists()


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("version", [None, "go1.24.9", "go2", "devel"])
def test_no_usable_go(tmp_path: Path, version: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a new enough Go, the error names what is missing and the other way."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    if version:
        put_go(tmp_path, "exit 1", version)
    with pytest.raises(
        build.BuildError, match=r"Go 1\.25 or newer is needed to build Nomad.*or put them on PATH"
    ):
        build.ensure(tmp_path / "out")


@pytest.mark.parametrize(
    ("text", "version"),
    [("go version go1.26.8 linux/amd64", (1, 26)), ("go version go1.25rc1 linux/amd64", (1, 25)), ("", None)],
)
def test_go_version(text: str, version: tuple[int, int] | None) -> None:
    """Go's own words tell its version."""
    assert build.go_version(text) == version


def test_committed_sums() -> None:
    """Every wrapper module pins each of its modules, replaced ones included."""
    for each in build.PROGRAMS:
        assert "replace" in (each.module / "go.mod").read_text()
        assert (each.module / "go.sum").stat().st_size > 10_000


def test_help() -> None:
    """The script runs with nothing but the standard library."""
    done = subprocess.run(
        ["/usr/bin/env", "python3", "-I", str(Path(build.__file__)), "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "--out" in done.stdout
