"""The servers that the cases ask: ours in each isolation mode, and `wasmtime serve` as the reference."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from tests.bench import programs
from tests.bench.servers import Command, listening
from tests.conformance.upstream import Upstream
from tests.conformance.wire import Address
from tests.driver.executor_process import Executor, app
from tests.driver.go_guests import BUILT
from tests.driver.guests import GUESTS, componentize
from tests.driver.rust_guests import rust_guest

LANGUAGES = ("rust", "python")
PEER = "wasmtime"
KINDS = ("request", "instance", PEER)
# Longer than any case needs; the cases of guests that never end wait for it.
TIMEOUT = "2s"


@dataclass(frozen=True, slots=True)
class Server:
    """Where a guest is served, by whom, and the server that it may call; `log` gives what guests printed so far."""

    kind: str
    language: str
    address: Address
    upstream: Upstream
    log: Callable[[], str]


@cache
def guest(language: str) -> Path:
    """The conformance guest, built where it or its tools changed."""
    if language == "rust":
        return rust_guest("conformance-rust")
    source = GUESTS / "conformance-python" / "app.py"
    key = f"{metadata.version('componentize-py')} {source.read_text()}"
    wit = (GUESTS.parent.parent / "cli" / "wasmdeploy_cli" / "wit" / "wasmdeploy.wit").read_text()
    made = BUILT / f"conformance-python-{hashlib.sha256((key + wit).encode()).hexdigest()[:16]}.wasm"
    if not made.is_file():
        work = BUILT / f"{made.stem}.{os.getpid()}"
        work.mkdir(parents=True)
        try:
            componentize(source.read_text(), work)
            (work / "app.wasm").rename(made)
        finally:
            shutil.rmtree(work)
    return made


@contextmanager
def serving(kind: str, language: str, directory: Path, upstream: Upstream) -> Iterator[Server]:
    """The guest, served for the time of the block."""
    source = guest(language)
    if kind == PEER:
        with _peer(source, language, directory, upstream) as server:
            yield server
        return
    task = app(
        source,
        timeout=TIMEOUT,
        isolation=kind,
        environment={"WORD": "given"},
        # Port 1 is listed and nobody listens there.
        allowed_outbound_hosts=(f"http://{upstream.authority}", "http://127.0.0.1:1"),
    )
    with Executor(directory, task, source) as executor:
        executor.start()
        yield Server(kind, language, executor.address, upstream, executor.stderr.read_text)


@contextmanager
def _peer(source: Path, language: str, directory: Path, upstream: Upstream) -> Iterator[Server]:
    log = directory / "wasmtime.log"
    arguments = (str(programs.peer()), "serve", "-S", "cli", "-S", "config", "--env", "WORD=given")
    command = Command("wasmtime serve", (*arguments, "--addr", "127.0.0.1:0", str(source)))
    with listening(command, log) as (_, url):
        host, _, port = url.removeprefix("http://").partition(":")
        yield Server(PEER, language, (host, int(port)), upstream, log.read_text)


def has_peer() -> bool:
    """Whether the reference is there: it is built by `make bench`, not by `make test`."""
    return programs.found() is not None
