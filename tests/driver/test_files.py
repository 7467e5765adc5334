import os
import socket
from contextlib import suppress
from pathlib import Path

import pytest

from wasmdeploy_driver.errors import ConfigError, GuestError
from wasmdeploy_driver.executor.files import MAX_GUEST, open_beneath, open_guest
from wasmdeploy_driver.executor.launch import Launch
from wasmdeploy_driver.task import Task


def read(root, source, *allowed, private=()):
    launch = Launch("id", Task(), root, root, root, root, allow_paths=allowed, private=private)
    with os.fdopen(open_guest(launch, source), "rb") as file:
        return file.read()


@pytest.fixture
def root(tmp_path):
    """A task directory with a file, beside a secret one."""
    root = tmp_path / "task"
    (root / "local" / "deep").mkdir(parents=True)
    (root / "local" / "app.wasm").write_bytes(b"guest")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "app.wasm").write_bytes(b"secret")
    return root


@pytest.mark.parametrize(
    "path", ["local/app.wasm", "./local/app.wasm", "local//app.wasm", "local/./app.wasm", "local/app.wasm/"]
)
def test_a_file_below_the_root(root, path):
    """A file is found by its path below the root, however it is written."""
    assert read(root, path) == b"guest"


@pytest.mark.parametrize(
    "path",
    ["", "..", "../outside/app.wasm", "local/../../outside/app.wasm", "local/..", "local/deep/../app.wasm"],
)
def test_a_path_that_leads_out(root, path):
    """No path goes up, not even to come back in."""
    with pytest.raises(ConfigError, match="leads out"):
        read(root, path)


@pytest.mark.parametrize("path", ["local/app\0.wasm", "\ud800"])
def test_what_is_no_path(root, path):
    """A text that no file can be called is refused as such."""
    with pytest.raises(ConfigError, match="no path"):
        read(root, path)


def test_an_absolute_path_is_opened_nowhere(root):
    """`open_beneath` itself takes no absolute path."""
    with pytest.raises(ConfigError, match="leads out"):
        open_beneath(root, f"{root}/local/app.wasm", os.O_RDONLY)


@pytest.mark.parametrize("target", ["../../outside/app.wasm", "app.wasm", "/etc/passwd", "nowhere"])
def test_a_link_at_the_end(root, target):
    """A symbolic link is not followed, wherever it points."""
    (root / "local" / "link").symlink_to(target)
    with pytest.raises(ConfigError, match="symbolic link"):
        read(root, "local/link")


@pytest.mark.parametrize("target", ["../outside", "local", "/etc"])
def test_a_link_in_the_middle(root, target):
    """A symbolic link in the middle of a path is not followed either."""
    (root / "link").symlink_to(target)
    with pytest.raises(GuestError, match="Not a directory"):
        read(root, "link/app.wasm")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["fifo", "directory"])
def test_what_is_no_regular_file(root, make):
    """A FIFO neither hangs the start nor is a guest; a directory is none."""
    make(root / "odd")
    with pytest.raises(GuestError, match="no regular file"):
        read(root, "odd")


def test_a_socket(root, monkeypatch):
    """A socket cannot be opened as a guest."""
    monkeypatch.chdir(root)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("odd")
        with pytest.raises(GuestError, match="odd"):
            read(root, "odd")


def test_a_missing_file(root):
    """A file that is not there is named."""
    with pytest.raises(GuestError, match=r"local/none\.wasm: No such file"):
        read(root, "local/none.wasm")


def test_a_giant_file(root):
    """A file beyond the bound is refused before it is read."""
    with (root / "giant").open("wb") as file:
        file.truncate(MAX_GUEST + 1)
    with pytest.raises(GuestError, match="larger than 512 MiB"):
        read(root, "giant")


def test_an_allowed_directory(root, tmp_path):
    """An absolute path is fine below a directory that the driver allows."""
    assert read(root, f"{tmp_path}/outside/app.wasm", f"{tmp_path}/none", f"{tmp_path}/outside") == b"secret"


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "{}/outsider/app.wasm", "{}/outside", "{}/app.wasm", "//etc/passwd"]
)
def test_outside_the_allowed_directories(root, tmp_path, path):
    """An absolute path elsewhere is refused, a name that only begins alike too."""
    with pytest.raises(ConfigError, match="neither"):
        read(root, path.format(tmp_path), f"{tmp_path}/outside")


def test_no_way_out_of_an_allowed_directory(root, tmp_path):
    """`..` leads out of an allowed directory as little as out of the task's."""
    with pytest.raises(ConfigError, match="leads out"):
        read(root, f"{tmp_path}/outside/../task/local/app.wasm", f"{tmp_path}/outside")


@pytest.mark.parametrize("path", ["secrets/key", "./secrets/key", "secrets", ".", "./"])
def test_a_private_directory(root, path):
    """Nothing of a private directory is opened, nor what holds it."""
    (root / "secrets").mkdir()
    (root / "secrets" / "key").write_text("s3cret")
    with pytest.raises(ConfigError, match="private"):
        read(root, path, private=("secrets",))


def test_the_root_itself(root):
    """`.` is the root, for a guest that may open the whole directory."""
    descriptor = open_beneath(root, ".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        assert os.fstat(descriptor).st_ino == root.stat().st_ino
    finally:
        os.close(descriptor)


def test_no_descriptor_is_left(root):
    """Whether it works or not, no descriptor stays open."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    for path in ("local/app.wasm", "local/none", "local/deep", "none/x", "../x"):
        with suppress(OSError, ConfigError):
            os.close(open_beneath(root, path, os.O_RDONLY))
    assert len(list(Path("/proc/self/fd").iterdir())) == before
