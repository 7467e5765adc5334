"""The cases: a guest each, the request, and the answer that it must give."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from tests.bench.errors import BenchError

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Guest:
    """A guest's wasm file: its name, what writes it, and the programs which that needs."""

    name: str
    build: Callable[[Path], None]
    programs: tuple[str, ...]


# A fresh instance for each request, one for many, or `engine = "wasmtime"`, which is the peer behind our executor.
Mode = Literal["fresh", "reused", "engine"]


@dataclass(frozen=True, slots=True)
class Case:
    """A request to measure and the answer it must get.

    `sent` is the body of a POST, empty for GET. `peer`: whether `wasmtime serve` can run it too.
    """

    name: str
    guest: Guest
    path: str
    sent: bytes
    body: bytes
    mode: Mode = "fresh"
    peer: bool = True


def _rust(wasm: Path) -> None:
    from tests.driver.guests import rust_http

    wasm.write_bytes(rust_http())


def _python(module: str) -> Callable[[Path], None]:
    def build(wasm: Path) -> None:
        tool = Path(sys.executable).with_name("wasmdeploy")
        command: list[str | Path] = [tool, "componentize", module, "-o", wasm, "-p", _HERE / "guests"]
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if done.returncode:
            raise BenchError(f"wasmdeploy componentize failed: {done.stdout.strip()}")

    return build


def _go(wasm: Path) -> None:
    from tests.driver.go_guests import go_guest

    wasm.write_bytes(go_guest().read_bytes())


RUST = Guest("rust", _rust, ("cargo",))
PYTHON = Guest("python-hello", _python("hello"), ())
PYTHON_JSON = Guest("python-json", _python("order"), ())
GO = Guest("go-cgi", _go, ("go",))

_ORDER = {
    "id": 4711,
    "lines": [{"sku": f"part-{n}", "count": n % 7 + 1, "cents": 199 * n} for n in range(40)],
}
_TOTAL = sum(line["count"] * line["cents"] for line in _ORDER["lines"])  # type: ignore[attr-defined, misc]
_TOLD = json.dumps({"id": 4711, "lines": 40, "cents": _TOTAL}).encode()
_10_KB, _1_MB = bytes(range(250)) * 40, bytes(range(250)) * 4000


def _both(case: Case) -> tuple[Case, Case]:
    """A fresh instance for each request, and one for many."""
    return _in(case, "fresh"), _in(case, "reused")


def _in(case: Case, mode: Mode) -> Case:
    return replace(case, name=f"{case.name}-{mode}", mode=mode)


_RUST_HELLO = Case("rust-hello", RUST, "/hello", b"", b"Hello from Rust\n")
_PYTHON_HELLO = Case("python-hello", PYTHON, "/", b"", b"Hello from Python\n")
CASES = (
    *_both(_RUST_HELLO),
    *_both(Case("rust-echo-10k", RUST, "/echo", _10_KB, _10_KB)),
    *_both(Case("rust-echo-1m", RUST, "/echo", _1_MB, _1_MB)),
    *_both(_PYTHON_HELLO),
    *_both(Case("python-json", PYTHON_JSON, "/", json.dumps(_ORDER).encode(), _TOLD)),
    *(_in(case, "engine") for case in (_RUST_HELLO, _PYTHON_HELLO)),
    # A CGI module: the peer has nothing that would run it.
    Case("go-cgi-hello-fresh", GO, "/", b"", b"hello from Go\n", peer=False),
)


def selected(names: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """These names, or all that are known where none is given; raises BenchError."""
    unknown = [name for name in names if name not in known]
    if unknown:
        raise BenchError(f"no case {', '.join(unknown)}: there are {', '.join(known)}")
    return tuple(name for name in known if name in names) or tuple(known)
