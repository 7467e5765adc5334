"""The directory that a stack owns, and where everything in it lies."""

from __future__ import annotations

import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from wasmdeploy_cli.errors import StackError

MARKER = ".wasmdeploy-stack"
ENVIRONMENT = "WASMDEPLOY_STACK_DIR"


@dataclass(frozen=True, slots=True)
class Directory:
    """A stack's own directory; `id` is unique to it and marks the processes it starts."""

    path: Path
    id: str

    @property
    def state(self) -> Path:
        """What runs, readable by its owner only."""
        return self.path / "state.json"

    @property
    def vault_keys(self) -> Path:
        """Vault's unseal key and root token, readable by their owner only."""
        return self.path / "vault-keys.json"

    @property
    def components(self) -> Path:
        """Where built guests are put; the driver's `allow_paths` lists it."""
        return self.path / "components"

    @property
    def plugins(self) -> Path:
        """Nomad's `plugin_dir`."""
        return self.path / "plugins"

    def config(self, member: str) -> Path:
        """The configuration file of one member."""
        return self.path / "config" / f"{member}.{'yaml' if member == 'traefik' else 'hcl'}"

    def data(self, member: str) -> Path:
        """What one member keeps."""
        return self.path / member

    def log(self, member: str) -> Path:
        """What one member says."""
        return self.path / "logs" / f"{member}.log"

    def logs(self, member: str) -> tuple[Path, ...]:
        """All log files of one member."""
        return (self.log(member), self.log(f"{member}-access"))


def located(given: Path | None) -> Path:
    """The directory in question: the given one, $WASMDEPLOY_STACK_DIR, or one below $XDG_DATA_HOME."""
    if given is None and (from_environment := os.environ.get(ENVIRONMENT)):
        given = Path(from_environment)
    if given is None:
        home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
        given = Path(home) / "wasmdeploy" / "stack"
    return given.expanduser().resolve()


def opened(path: Path) -> Directory | None:
    """The stack's directory at `path`, or None where no stack owns one."""
    try:
        return Directory(path, (path / MARKER).read_text().strip())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StackError(
            f"{path / MARKER}: {error.strerror}", "make it readable, or choose another --data-dir"
        ) from error


def claimed(path: Path) -> Directory:
    """Own `path`: make it, take it when empty, find it again; refuse one with other files."""
    if any(character in str(path) for character in '"\\\n\r') or "${" in str(path) or "%{" in str(path):
        raise StackError(
            f"{path}: quotes, backslashes, line ends, ${{ and %{{ in the path would break the configuration",
            "choose another directory with --data-dir",
        )
    try:
        # Others may pass through, not look: tasks that drop their privileges reach their own directories.
        path.mkdir(mode=0o711, parents=True, exist_ok=True)
        if directory := opened(path):
            return directory
        if any(path.iterdir()):
            raise StackError(
                f"{path} is not empty and no stack of wasmdeploy's",
                "choose an empty or a new directory with --data-dir",
            )
        path.chmod(0o711)
        directory = Directory(path, uuid.uuid4().hex)
        (path / MARKER).write_text(directory.id + "\n")
    except OSError as error:
        raise StackError(f"{path}: {error.strerror}", "choose another directory with --data-dir") from error
    return directory


@contextmanager
def locked(directory: Directory) -> Iterator[None]:
    """Keep two commands from starting or stopping one stack at the same time."""
    fd = os.open(directory.path / MARKER, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise StackError(
            f"another command is at work on the stack in {directory.path}", "wait for it to end"
        ) from error
    finally:
        os.close(fd)


def mounts_below(path: Path, mountinfo: str) -> list[Path]:
    """The mount points below `path` that `mountinfo` lists, the deepest first."""
    points = []
    for line in mountinfo.splitlines():
        point = Path(line.split()[4].encode().decode("unicode_escape").encode("latin-1").decode())
        if path in point.parents:
            points.append(point)
    return sorted(points, key=lambda point: (-len(point.parts), str(point)))


def current_mounts(path: Path) -> list[Path]:
    """The mount points below `path`, the deepest first."""
    return mounts_below(path, Path("/proc/self/mountinfo").read_text())


def removed(directory: Directory) -> None:
    """Delete a directory that a stack owns; refuses while anything is mounted below it."""
    if mounts := current_mounts(directory.path):
        raise StackError(f"{mounts[0]} is still mounted", f"unmount it (umount {mounts[0]}) and try again")
    try:
        shutil.rmtree(directory.path)
    except OSError as error:
        raise StackError(f"{error.filename}: {error.strerror}", "remove the directory by hand") from error
