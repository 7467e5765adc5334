"""How soon a new version answers at Traefik once its job is registered, beside the same job on `raw_exec`.

Both have the service, check and update block that `wasmdeploy render` prints, and take turns on one stack. Each version
has a host name of its own: it answers when that does. Consul's first check comes by chance within its interval of two
seconds, and Traefik looks once a second: so there are many pairs, and the mean is told. `start_seconds` is the part of
it until Nomad says that the task has started, which is the driver's.
"""

from __future__ import annotations

import copy
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import mean
from typing import Any

import httpx

from tests.bench import report
from tests.bench.cases import RUST
from tests.bench.errors import BenchError
from tests.bench.measure import Effort
from tests.bench.programs import WASMTIME
from tests.e2e.cli import environment
from tests.stack.fixtures import running_stack
from wasmdeploy_cli.stack.state import StackState

CASES = ("deploy",)
_PEER = f"raw_exec, wasmtime serve {WASMTIME}, precompiled"
_SECONDS = 120.0
_PAUSE = 0.02
_PAIRS = 6  # in each round
# An old version has left: Traefik has heard of it by then, and does not hold back the news of the next one.
_SETTLED = 3.5
_MANIFEST = """
[application]
name = "{name}"
[[trigger.http]]
route = "/..."
component = "web"
[component.web]
source = "guest.wasm"
[deploy]
host = "{host}"
health_path = "/hello"
"""
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Taken:
    """Seconds from a job's registration until its host answers, and until Nomad says that its task has started."""

    seconds: float
    started: float


def rows(wasmtime: Path, directory: Path, effort: Effort, say: Callable[[str], None]) -> list[report.Row]:
    """Measure it; raises BenchError."""
    say("deploy: building the guest, starting a stack")
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        place = Path(scratch)
        RUST.build(place / "guest.wasm")
        compiled = _compiled(wasmtime, place / "guest.wasm")
        taken: dict[str, list[Taken]] = {"": [], _PEER: []}
        with running_stack(place / "stack", raw_exec=True) as stack:
            for version in range(_PAIRS * effort.rounds + 1):
                # A B, then B A: nobody is always first.
                for driver in sorted(taken, reverse=version % 2 == 0):
                    job, host = _job(place, stack, "peer" if driver else "ours", version)
                    one = _answers(_on_raw_exec(job, compiled) if driver else job, host, stack)
                    if version:  # the first has no older one to replace, and compiles
                        taken[driver].append(one)
                        say(
                            f"deploy: {driver or 'ours'}: {one.seconds:.2f} s, started in {one.started:.2f} s"
                        )
    values: Mapping[str, Mapping[str, float]] = {
        name: {
            "seconds": mean(one.seconds for one in each),
            "start_seconds": mean(one.started for one in each),
        }
        for name, each in taken.items()
    }
    return report.other_rows("deploy", values)


def _compiled(wasmtime: Path, wasm: Path) -> list[str]:
    """The peer's command."""
    compiled = wasm.with_suffix(".cwasm")
    done = subprocess.run([wasmtime, "compile", wasm, "-o", compiled], stderr=subprocess.PIPE, check=False)
    if done.returncode:
        raise BenchError(f"wasmtime compile: {done.stderr.decode(errors='replace').strip()}")
    return [str(wasmtime), "serve", "--allow-precompiled", "-S", "cli", "-S", "config", str(compiled)]


def _job(place: Path, stack: StackState, name: str, version: int) -> tuple[Json, str]:
    """A version's job as `deploy` sends it, and its host name; the nodes have its component."""
    app, host = place / name, f"{name}-{version}.localhost"
    app.mkdir(exist_ok=True)
    (app / "wasmdeploy.toml").write_text(_MANIFEST.format(name=name, host=host))
    (app / "guest.wasm").write_bytes((place / "guest.wasm").read_bytes())
    tool = Path(sys.executable).with_name("wasmdeploy")
    done = subprocess.run(
        [tool, "render", "--format", "json"], cwd=app, capture_output=True, text=True, check=False,
        env=environment(WASMDEPLOY_STACK_DIR=str(stack.data_dir)),
    )  # fmt: skip
    if done.returncode:
        raise BenchError(f"wasmdeploy render failed: {done.stderr.strip()}")
    job: Json = json.loads(done.stdout)["Job"]
    for block in job["TaskGroups"][0]["Tasks"][0]["Config"]["component"]:
        for (body,) in block.values():
            source = Path(body["source"])
            source.parent.mkdir(parents=True, exist_ok=True)
            source.write_bytes((app / "guest.wasm").read_bytes())
    return job, host


def _on_raw_exec(job: Json, command: list[str]) -> Json:
    """The same job, its task another one."""
    job = copy.deepcopy(job)
    task = job["TaskGroups"][0]["Tasks"][0]
    arguments = [*command[1:-1], "--addr", "127.0.0.1:${NOMAD_PORT_http}", command[-1]]
    task |= {"Driver": "raw_exec", "Config": {"command": command[0], "args": arguments}}
    return job


def _answers(job: Json, host: str, stack: StackState) -> Taken:
    """Register a job, wait until its host answers, then until its older version has left."""
    began, now = time.perf_counter(), time.time()
    httpx.post(f"{stack.nomad_addr}/v1/jobs", json={"Job": job}).raise_for_status()
    with httpx.Client(headers={"host": host}) as client:
        while client.get(f"{stack.traefik_addr}/hello").status_code != 200:
            _patience(began, job["ID"])
            time.sleep(_PAUSE)
    seconds = time.perf_counter() - began
    while len(_alive(job["ID"], stack)) > 1 or not _deployed(job["ID"], stack):
        _patience(began, job["ID"])
        time.sleep(0.5)
    (new,) = _alive(job["ID"], stack)
    started = datetime.fromisoformat(new["TaskStates"][job["ID"]]["StartedAt"]).timestamp() - now
    time.sleep(_SETTLED)
    return Taken(seconds, started)


def _alive(name: str, stack: StackState) -> list[Json]:
    found = httpx.get(f"{stack.nomad_addr}/v1/job/{name}/allocations").json()
    return [each for each in found if each["ClientStatus"] in ("pending", "running")]


def _deployed(name: str, stack: StackState) -> bool:
    newest = httpx.get(f"{stack.nomad_addr}/v1/job/{name}/deployment").json()
    return bool(newest["Status"] == "successful")


def _patience(began: float, name: str) -> None:
    if time.perf_counter() - began > _SECONDS:
        raise BenchError(f"{name} did not come up in {_SECONDS:.0f} s")
