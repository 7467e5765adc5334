"""The programs that the benchmark needs: the load generator, the peer, and what builds the guests."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.bench.errors import BenchError

WASMTIME = "50.0.1"
# What builds the peer: wasmtime-cli asks for a newer Rust than the guests do.
_RUST = "1.97.0"
_PACKAGES = {
    "wrk": "the package wrk (Debian, Ubuntu: apt-get install wrk)",
    "cargo": "Rust, from https://rustup.rs, with the target wasm32-wasip2",
    "go": "Go 1.25 or newer",
}


def require(*names: str) -> None:
    """Raise BenchError, in one line, for programs that are not on PATH."""
    missing = [name for name in names if shutil.which(name) is None]
    if missing:
        raise BenchError("not installed: " + "; ".join(f"{name}: {_PACKAGES[name]}" for name in missing))


def peer() -> Path:
    """The `wasmtime` command line, built first where there is none; raises BenchError."""
    if (there := found()) is not None:
        return there
    _build(_cache())
    built = found()
    if built is None:
        raise BenchError("wasmtime was built, but is not where it was to be")
    return built


def found() -> Path | None:
    """The `wasmtime` command line on PATH, or the one built before; raises BenchError for another version."""
    on_path = shutil.which("wasmtime")
    program = Path(on_path) if on_path else _cache() / "bin" / "wasmtime"
    if not program.is_file():
        return None
    said = subprocess.run([program, "--version"], stdout=subprocess.PIPE, text=True, check=False).stdout
    if version(said) != WASMTIME:
        raise BenchError(
            f"{program} is version {version(said) or 'unknown'}, the benchmark compares with {WASMTIME}: "
            "remove it, and the benchmark builds its own"
        )
    return program


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wasmdeploy" / "wasmtime"


def version(said: str) -> str:
    """The version in what `wasmtime --version` says; empty where there is none."""
    words = said.split()
    return words[1] if len(words) > 1 and words[0] == "wasmtime" else ""


def _build(root: Path) -> None:
    require("cargo")
    print(f"Building wasmtime {WASMTIME}, once; this takes about 25 minutes …", flush=True)
    command = ["cargo", f"+{_RUST}", "install", "wasmtime-cli", "--version", WASMTIME, "--locked"]
    command += ["--root", str(root)]
    if subprocess.run(command, check=False).returncode:
        raise BenchError(f"wasmtime was not built (rustup toolchain install {_RUST}?): {' '.join(command)}")
