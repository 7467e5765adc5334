"""The servers that are compared, each a process of its own on a free loopback port."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.bench.cases import Case, Mode
from tests.bench.errors import BenchError
from tests.bench.programs import WASMTIME

_START_SECONDS = 120.0
_STOP_SECONDS = 10.0
_URL = re.compile(r"http://127\.0\.0\.1:\d+")
_MANIFEST = """\
[application]
name = "bench"
version = "0.1.0"

[[trigger.http]]
route = "/..."
component = "guest"

[component.guest]
source = "guest.wasm"
{mode}
"""
_HOSTS = 'allowed_outbound_hosts = ["http://127.0.0.1:*"]'
_MODES: Mapping[Mode, str] = {
    "fresh": _HOSTS,
    "reused": f'{_HOSTS}\nisolation = "instance"\nmax_requests = 1000\nmax_idle = "60s"',
    # It cannot tell hosts apart, so a guest that may call some has to be let call all.
    "engine": 'allowed_outbound_hosts = ["*://*:*"]\nengine = "wasmtime"',
}
# The peer's pooling allocator is on by default; its bound of 1,000 core instances is too few for 128 connections to a
# Python guest, which is a dozen of them.
_PEER_POOL = ("-O", "pooling-total-core-instances=20000")
# As ours; else it makes a fresh instance for each request.
_PEER_REUSE = ("--max-instance-reuse-count", "1000", "--idle-instance-timeout", "60s")


@dataclass(frozen=True, slots=True)
class Command:
    """How one server is started; `peer_name` is empty for ours."""

    peer_name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers."""

    peer_name: str
    pid: int
    url: str


def guest_file(name: str, mode: Mode, directory: Path) -> Path:
    """Where a case's guest is built, beside the manifest that serves it; made anew."""
    place = directory / name
    place.mkdir(parents=True, exist_ok=True)
    (place / "wasmdeploy.toml").write_text(_MANIFEST.format(mode=_MODES[mode]))
    return place / "guest.wasm"


def commands(wasm: Path, wasmtime: Path | None, mode: Mode = "fresh") -> list[Command]:
    """Ours first, then the peers: `wasmtime serve` as it is, and with one worker thread."""
    wasmdeploy = str(Path(sys.executable).with_name("wasmdeploy"))
    ours = Command("", (wasmdeploy, "up", str(wasm.parent), "--listen", "127.0.0.1:0"))
    if wasmtime is None:
        return [ours]
    # -S cli for what a guest's standard library imports, -S config for variables.
    serve = (
        str(wasmtime),
        "serve",
        "-S",
        "cli",
        "-S",
        "config",
        *_PEER_POOL,
        *(_PEER_REUSE if mode == "reused" else ()),
    )
    serve = (*serve, "--addr", "127.0.0.1:0", str(wasm))
    if mode == "engine":  # the same program, so that there is but one to compare
        ours = replace(ours, environment={"PATH": f"{wasmtime.parent}{os.pathsep}{os.environ['PATH']}"})
        return [ours, Command(f"wasmtime serve {WASMTIME}", serve)]
    return [
        ours,
        Command(f"wasmtime serve {WASMTIME}", serve),
        Command(f"wasmtime serve {WASMTIME}, 1 thread", serve, {"TOKIO_WORKER_THREADS": "1"}),
    ]


@contextmanager
def running(command: Command, log: Path, case: Case) -> Iterator[Server]:
    """The server, from its first right answer until the end of the block; raises BenchError."""
    with listening(command, log) as (process, url):
        server = Server(command.peer_name, process.pid, url + case.path)
        _check(server, case)
        yield server


@contextmanager
def listening(command: Command, log: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A server's process and its URL, from when it listens until the end of the block; raises BenchError."""
    environment = {name: value for name, value in os.environ.items() if name != "TOKIO_WORKER_THREADS"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command.arguments, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            env={**environment, **command.environment},
            start_new_session=True,  # so that Ctrl-C reaches us only, and we stop it
        )  # fmt: skip
    try:
        yield process, _wait_for_url(process, command, log)
    finally:
        _stop(process)


def address(said: str) -> str | None:
    """The URL in what a server says once it listens."""
    found = _URL.search(said)
    return found and found.group()


def _wait_for_url(process: subprocess.Popen[bytes], command: Command, log: Path) -> str:
    program = Path(command.arguments[0]).name
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        ended = process.poll()
        said = log.read_text(errors="replace")
        if (url := address(said)) is not None:
            return url
        if ended is not None:
            raise BenchError(f"{program} ended with status {ended}: {said.strip()}")
        time.sleep(0.02)
    raise BenchError(f"{program} did not listen within {_START_SECONDS:g} s: see {log}")


def _check(server: Server, case: Case) -> None:
    who = server.peer_name or "wasmdeploy"
    try:
        with urllib.request.urlopen(server.url, data=case.sent or None, timeout=30) as answer:
            status, body = answer.status, answer.read()
    except OSError as error:
        raise BenchError(f"{case.name}: {who} did not answer: {error}") from error
    if status != 200 or body != case.body:
        raise BenchError(f"{case.name}: {who} answered {status} {body[:80]!r}, expected {case.body[:80]!r}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        pass
    finally:
        with contextlib.suppress(ProcessLookupError):  # the rule: nothing of its session is left
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
