"""`python -m tests.tools`: name every program that the whole test suite needs and this machine lacks."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Tool:
    """A program, how it tells its version, the oldest that will do, and how to get it."""

    name: str
    version: tuple[str, ...]
    oldest: tuple[int, int]
    advice: str


TOOLS = (
    Tool(
        "go",
        ("go", "version"),
        (1, 25),
        "https://go.dev/dl; it builds Nomad, Consul, Vault, Traefik and test guests",
    ),
    Tool("cargo", ("cargo", "--version"), (1, 92), "https://rustup.rs; it builds test guests"),
    Tool("node", ("node", "--version"), (20, 0), "https://nodejs.org; it builds a test guest"),
    Tool("npm", ("npm", "--version"), (10, 0), "https://nodejs.org; it builds a test guest"),
)
RUST_TARGETS = ("wasm32-wasip1", "wasm32-wasip2", "wasm32-unknown-unknown")


def missing() -> list[str]:
    """One line for each tool that is missing or too old."""
    problems = []
    for tool in TOOLS:
        if shutil.which(tool.name) is None:
            problems.append(
                f"{tool.name} is not on PATH: get {'.'.join(map(str, tool.oldest))} or newer from {tool.advice}"
            )
            continue
        said = subprocess.run(tool.version, capture_output=True, text=True, check=False).stdout
        found = re.search(r"(\d+)\.(\d+)", said)
        if found is None or (int(found[1]), int(found[2])) < tool.oldest:
            problems.append(f"{tool.name} is too old ({said.strip()}): get {tool.advice}")
    if not problems:
        problems += _missing_targets()
    return problems


def _missing_targets() -> list[str]:
    root = subprocess.run(
        ["rustc", "--print", "sysroot"], capture_output=True, text=True, check=False
    ).stdout.strip()
    done = subprocess.run(["ls", f"{root}/lib/rustlib"], capture_output=True, text=True, check=False)
    absent = [target for target in RUST_TARGETS if target not in done.stdout.split()]
    return [f"Rust lacks {' '.join(absent)}: run `rustup target add {' '.join(absent)}`"] if absent else []


def main() -> int:
    """Print what is missing; the status is 1 where anything is."""
    problems = missing()
    for problem in problems:
        print(f"make test: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
