"""Finds the four programs that a stack is made of."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from wasmdeploy_cli.errors import StackError

PROGRAMS = ("consul", "vault", "nomad", "traefik")


def cache_dir() -> Path:
    """Where `tests/stack/build.py` puts what it builds."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wasmdeploy" / "bin"


def found(bin_dir: Path | None = None, programs: Sequence[str] = PROGRAMS) -> Mapping[str, Path]:
    """Each program's path, looked up in `bin_dir`, on PATH and in the build cache, in this order."""
    path = os.pathsep.join(
        [*([str(bin_dir)] if bin_dir else []), os.environ.get("PATH", ""), str(cache_dir())]
    )
    paths = {name: shutil.which(name, path=path) for name in programs}
    if missing := [name for name, where in paths.items() if where is None]:
        places = f"in {bin_dir}, on PATH" if bin_dir else "on PATH"
        raise StackError(
            f"{', '.join(missing)}: found neither {places} nor in {cache_dir()}",
            "install them, name their directory with --bin-dir, or build them in a checkout: make stack-programs",
        )
    return {name: Path(where).absolute() for name, where in paths.items() if where}
