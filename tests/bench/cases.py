"""The cases: a guest each, the request, and the answer that it must give."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.errors import BenchError

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Case:
    """A guest to measure; `build` writes its wasm file, `peer` is whether `wasmtime serve` can run it too."""

    name: str
    build: Callable[[Path], None]
    programs: tuple[str, ...]
    path: str
    body: bytes
    peer: bool


def _rust(wasm: Path) -> None:
    from tests.driver.guests import rust_http

    wasm.write_bytes(rust_http())


def _python(wasm: Path) -> None:
    tool = Path(sys.executable).with_name("wasmdeploy")
    command: list[str | Path] = [tool, "componentize", "hello", "-o", wasm, "-p", _HERE / "guests"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise BenchError(f"wasmdeploy componentize failed: {done.stdout.strip()}")


def _go(wasm: Path) -> None:
    from tests.driver.go_guests import go_guest

    wasm.write_bytes(go_guest().read_bytes())


CASES = (
    Case("rust-hello-fresh", _rust, ("cargo",), "/hello", b"Hello from Rust\n", True),
    Case("python-hello-fresh", _python, (), "/", b"Hello from Python\n", True),
    # A CGI module: the peer has nothing that would run it.
    Case("go-cgi-hello-fresh", _go, ("go",), "/", b"hello from Go\n", False),
)


def selected(names: Sequence[str]) -> tuple[Case, ...]:
    """The cases of these names, all where none is given; raises BenchError."""
    known = {case.name: case for case in CASES}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise BenchError(f"no case {', '.join(unknown)}: there are {', '.join(known)}")
    return tuple(known[name] for name in names) or CASES
