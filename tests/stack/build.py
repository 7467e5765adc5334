"""Builds Nomad, Consul, Vault and Traefik from their Go modules, where they are not on PATH.

    python tests/stack/build.py [--out DIR]

What it built last time is kept as long as go.mod, go.sum and the flags stay the same. It needs nothing but
Python's standard library and Go, and prints the directory of the binaries on stdout.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
NEEDED_GO = (1, 25)
FLAGS = ("-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags=-s -w")
_NEWS_EVERY = 15.0


class BuildError(Exception):
    """What is missing or failed, as the user should read it."""


@dataclass(frozen=True, slots=True)
class Program:
    """One program: the package that makes it, and the build tags it needs."""

    name: str
    package: str
    tags: str = ""

    @property
    def module(self) -> Path:
        """The wrapper module that pins its version."""
        return HERE / self.name

    @property
    def flags(self) -> tuple[str, ...]:
        """The flags of `go build`."""
        return (*FLAGS, f"-tags={self.tags}") if self.tags else FLAGS

    @property
    def fingerprint(self) -> str:
        """Changes whenever a build could give something else."""
        digest = hashlib.sha256()
        for path in sorted(self.module.rglob("*")):
            if path.is_file():
                digest.update(f"{path.relative_to(self.module)}\0".encode() + path.read_bytes() + b"\0")
        digest.update("\0".join((self.package, *self.flags)).encode())
        return digest.hexdigest()


PROGRAMS = (
    Program("consul", "github.com/hashicorp/consul"),
    Program("vault", "github.com/hashicorp/vault", "minimal"),
    Program("nomad", "github.com/hashicorp/nomad", "ui"),
    Program("traefik", "github.com/traefik/traefik/v3/cmd/traefik"),
)


def cache_dir() -> Path:
    """Where `wasmdeploy stack` looks for programs that are not on PATH."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wasmdeploy" / "bin"


def stamp(program: Program, out: Path) -> Path:
    """The file that says what a built binary was made from."""
    return out / f".{program.name}.stamp"


def is_current(program: Program, out: Path) -> bool:
    """Whether `out` holds the program as it would be built now."""
    try:
        return (
            os.access(out / program.name, os.X_OK) and stamp(program, out).read_text() == program.fingerprint
        )
    except FileNotFoundError:
        return False


def needed(out: Path) -> list[Program]:
    """The programs that are neither on PATH nor built already."""
    return [each for each in PROGRAMS if shutil.which(each.name) is None and not is_current(each, out)]


def go_version(text: str) -> tuple[int, int] | None:
    """The version in what `go version` prints."""
    found = re.search(r"\bgo(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else None


def require_go() -> str:
    """The path of a Go that is new enough."""
    advice = (
        f"Go {NEEDED_GO[0]}.{NEEDED_GO[1]} or newer is needed to build Nomad, Consul, Vault and Traefik; "
        "or put them on PATH"
    )
    go = shutil.which("go")
    if go is None:
        raise BuildError(f"{advice} (no go was found)")
    text = subprocess.run([go, "version"], capture_output=True, text=True, check=False).stdout.strip()
    version = go_version(text)
    if version is None or version < NEEDED_GO:
        raise BuildError(f"{advice} ({go} is: {text or 'broken'})")
    return go


def build(program: Program, out: Path, go: str) -> None:
    """Build one program and put it in place once it is whole."""
    partial, log = out / f".{program.name}.partial", out / f".{program.name}.log"
    command = [go, "build", *program.flags, "-o", str(partial), program.package]
    begun = time.monotonic()
    say(f"building {program.name} …")
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            cwd=program.module,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment(),
        )
        try:
            while process.poll() is None:
                try:
                    process.wait(_NEWS_EVERY)
                except subprocess.TimeoutExpired:
                    say(f"building {program.name} … {time.monotonic() - begun:.0f} s")
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    if process.returncode != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        partial.unlink(missing_ok=True)
        raise BuildError(f"{program.name} cannot be built: {' '.join(command)} (in {program.module})\n{tail}")
    stamp(program, out).unlink(missing_ok=True)  # a new binary never stands beside an old stamp
    partial.replace(out / program.name)
    stamp(program, out).write_text(program.fingerprint)
    log.unlink()
    say(f"built {program.name} in {time.monotonic() - begun:.0f} s")


def environment() -> dict[str, str]:
    """The caller's environment without what would change the build."""
    kept = {name: value for name, value in os.environ.items() if name not in {"GOFLAGS", "GOOS", "GOARCH"}}
    return {**kept, "GOWORK": "off"}


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Let one build at a time write to `out`."""
    with (out / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another build …")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def ensure(out: Path | None = None) -> Path:
    """Build what is needed and return the directory; raises BuildError."""
    out = (out or cache_dir()).absolute()
    if needed(out):
        go = require_go()
        out.mkdir(parents=True, exist_ok=True)
        with locked(out):
            for program in needed(out):
                build(program, out, go)
    return out


def say(text: str) -> None:
    """A line of progress."""
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--out", type=Path, help="where the binaries go (default: the cache of `wasmdeploy stack`)"
    )
    try:
        print(ensure(parser.parse_args().out))
    except BuildError as error:
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
