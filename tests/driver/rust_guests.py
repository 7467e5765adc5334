"""Guests written in Rust, which cargo keeps up to date."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path

GUESTS = Path(__file__).parent.parent / "guests"


@cache
def rust_guest(name: str, target: str = "wasm32-wasip2", program: str = "") -> Path:
    """The guest below tests/guests: a WASI 0.2 component, or a core module with the target wasm32-wasip1.

    `program` is one of the package's programs, where it has more than one guest.
    """
    command = ["cargo", "build", "--quiet", "--locked", "--release", "--target", target]
    subprocess.run(command, cwd=GUESTS / name, check=True)
    built = Path(os.environ.get("CARGO_TARGET_DIR", GUESTS / name / "target"))
    release = built / target / "release"
    # cargo names a program as it is, a library with underscores
    return next(
        path
        for path in (
            release / f"{program or name}.wasm",
            release / f"{(program or name).replace('-', '_')}.wasm",
        )
        if path.is_file()
    )
