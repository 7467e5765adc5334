"""`wasmtime serve` on a component that is compiled already: what people would run instead."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.bench.app import SECONDS, App, ask
from tests.bench.errors import BenchError
from tests.bench.programs import WASMTIME

NAME = f"wasmtime serve {WASMTIME}, precompiled"


def precompiled(wasmtime: Path, wasm: Path) -> list[str]:
    """Compile it, and give the command that serves it; raises BenchError."""
    compiled = wasm.with_suffix(".cwasm")
    done = subprocess.run([wasmtime, "compile", wasm, "-o", compiled], stderr=subprocess.PIPE, check=False)
    if done.returncode:
        raise BenchError(f"wasmtime compile: {done.stderr.decode(errors='replace').strip()}")
    return [str(wasmtime), "serve", "--allow-precompiled", "-S", "cli", "-S", "config", str(compiled)]


@contextmanager
def serving(command: Sequence[str], app: App) -> Iterator[int]:
    """One in the app's place, from its first answer on; its pid. Raises BenchError."""
    arguments = [*command, "--addr", f"127.0.0.1:{app.port}"]
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    patience = time.monotonic() + SECONDS
    try:
        while not _answers(app):
            if process.poll() is not None or time.monotonic() > patience:
                raise BenchError("wasmtime serve did not serve")
            time.sleep(0.0005)
        yield process.pid
    finally:
        process.kill()
        process.wait()


def _answers(app: App) -> bool:
    try:
        ask(app)
    except ConnectionRefusedError:
        return False
    return True


def start(command: Sequence[str], app: App) -> float:
    """How many seconds one takes from the start of its process to its first answer."""
    began = time.perf_counter()
    with serving(command, app):
        return time.perf_counter() - began
