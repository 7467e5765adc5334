"""Building: runs each component's build command and checks that it made a usable guest."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from wasmdeploy_cli.console import Output
from wasmdeploy_cli.errors import ConfigError, GuestError
from wasmdeploy_cli.manifest import App
from wasmdeploy_driver.executor.check import check_app_guest

_NOT_FOUND = 127  # the shell's status where a program is not there
# What the templates' build commands call, and where it comes from.
_TOOLS = {
    "cargo": "install Rust, https://rustup.rs, and run: rustup target add wasm32-wasip2",
    "go": "install Go, https://go.dev/dl",
    "npm": "install Node.js with npm, https://nodejs.org",
}


@dataclass(frozen=True, slots=True)
class Built:
    """A component that was built: its file, size in bytes, and how long it took."""

    name: str
    source: Path
    size: int
    seconds: float


def build(app: App, out: Output) -> list[Built]:
    """Build every component that has a build command; raises GuestError, ConfigError."""
    built = []
    for name, component in app.component.items():
        if component.build is None:
            continue
        started = time.monotonic()
        workdir = app.directory / component.build.workdir
        for command in component.build.command:
            out.event("building", f"Building {name}: {command}", component=name)
            _run(command, workdir, name)
        built.append(_check(app, name, time.monotonic() - started))
        out.event(
            "built", f"Built {name}: {built[-1].source} ({built[-1].size / 1e6:.1f} MB)", component=name
        )
    if not built:
        out.note("Nothing to build: no component has a build command")
    return built


def stale(app: App) -> list[str]:
    """The components that are to be built before a deploy: not there yet, or older than a file they depend on.

    What a component depends on is what its `build.watch` says; without it, only a missing one is stale.
    """
    return [
        name
        for name, component in app.component.items()
        if component.build is not None and _older(app.source(name), app.directory, component.build.watch)
    ]


def _older(built: Path, directory: Path, patterns: Iterable[str]) -> bool:
    if not built.is_file():
        return True
    then = built.stat().st_mtime
    return any(
        file.is_file() and file.stat().st_mtime > then
        for pattern in patterns
        for file in directory.glob(pattern)
    )


def _run(command: str, workdir: Path, name: str) -> None:
    if not workdir.is_dir():
        raise ConfigError(
            f"component {name!r}: the build's workdir {workdir} does not exist",
            f"make it, or correct workdir in [component.{name}.build]",
        )
    # A build command of a template calls `wasmdeploy` itself: the same installation must answer.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    # The manifest's build command is the user's own shell command, as in Spin.
    done = subprocess.run(  # noqa: S602
        command, shell=True, cwd=workdir, env={**os.environ, "PATH": path}, stdout=sys.stderr, check=False
    )
    if done.returncode:
        raise GuestError(
            f"component {name!r}: the build command ended with status {done.returncode}: {command}",
            (done.returncode == _NOT_FOUND and _advice(command, path))
            or "what it said is above; then build again",
        )


def _advice(command: str, path: str) -> str:
    return "; ".join(
        f"{tool} is not on PATH: {advice}"
        for tool, advice in _TOOLS.items()
        if re.search(rf"(?<!\S){tool}(?!\S)", command) and shutil.which(tool, path=path) is None
    )


def _check(app: App, name: str, seconds: float) -> Built:
    source = app.source(name)
    if not source.is_file():
        raise GuestError(
            f"component {name!r}: the build command did not make {source}",
            f"write there what it makes, or correct source in [component.{name}]",
        )
    executor = app.executor(name)
    engine = app.component[name].engine
    check_app_guest(source, engine=engine, executor=executor.type, entrypoint=executor.entrypoint)
    return Built(name, source, source.stat().st_size, round(seconds, 3))
