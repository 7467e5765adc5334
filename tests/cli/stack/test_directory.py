"""The directory that a stack owns."""

import stat
from pathlib import Path

import pytest

from wasmdeploy_cli.errors import StackError
from wasmdeploy_cli.stack import directory


def test_new_directory(tmp_path: Path) -> None:
    """A new directory is made, owned, and found again with the same id."""
    claimed = directory.claimed(tmp_path / "a" / "b")
    assert directory.claimed(tmp_path / "a" / "b") == claimed == directory.opened(tmp_path / "a" / "b")
    assert stat.S_IMODE(claimed.path.stat().st_mode) == 0o711


def test_foreign_directory(tmp_path: Path) -> None:
    """A directory with someone else's files is refused and stays as it is."""
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(StackError, match="is not empty"):
        directory.claimed(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    assert directory.opened(tmp_path) is None


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb", "${a}", "%{a}"])
def test_unwritable_name(tmp_path: Path, name: str) -> None:
    """A path that the agents' configuration cannot hold is refused before anything is made."""
    with pytest.raises(StackError, match="would break the configuration"):
        directory.claimed(tmp_path / name)
    assert not (tmp_path / name).exists()


def test_located(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An option goes before the environment, the environment before the default."""
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    monkeypatch.delenv(directory.ENVIRONMENT, raising=False)
    assert directory.located(None) == Path("/data/wasmdeploy/stack")
    monkeypatch.setenv(directory.ENVIRONMENT, "/elsewhere")
    assert directory.located(None) == Path("/elsewhere")
    assert directory.located(tmp_path) == tmp_path


def test_locked(tmp_path: Path) -> None:
    """Two commands are never at work on one stack at the same time."""
    owned = directory.claimed(tmp_path)
    with directory.locked(owned), pytest.raises(StackError, match="another command"), directory.locked(owned):
        pass
    with directory.locked(owned):
        pass


def test_mounts_below() -> None:
    """Mount points below a directory are found, the deepest first, with their escaped names read back."""
    mountinfo = (
        "22 1 0:20 / / rw - ext4 /dev/vda rw\n"
        "30 22 0:30 / /srv/my\\040stack/c/alloc/1/t/secrets rw - tmpfs tmpfs rw\n"
        "31 22 0:31 / /srv/my\\040stack/c rw - tmpfs tmpfs rw\n"
        "32 22 0:32 / /srv/my\\040stack-2/c rw - tmpfs tmpfs rw\n"
        "33 22 0:33 / /srv/my\\040stack rw - tmpfs tmpfs rw\n"
    )
    assert directory.mounts_below(Path("/srv/my stack"), mountinfo) == [
        Path("/srv/my stack/c/alloc/1/t/secrets"),
        Path("/srv/my stack/c"),
    ]


def test_removed(tmp_path: Path) -> None:
    """A directory that a stack owns is removed whole."""
    owned = directory.claimed(tmp_path / "stack")
    owned.components.mkdir()
    directory.removed(owned)
    assert not owned.path.exists()
