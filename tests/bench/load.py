"""Load, made by wrk, and what wrk says of it."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.bench.errors import BenchError

_LATENCY = re.compile(r"^\s+(50|99)%\s+([\d.]+)(us|ms|s|m) *$", re.MULTILINE)
_COUNT = re.compile(r"^\s*(\d+) requests in ", re.MULTILINE)
_RATE = re.compile(r"^Requests/sec:\s+([\d.]+)$", re.MULTILINE)
_BROKEN = re.compile(r"^\s*(Socket errors: .*|Non-2xx or 3xx responses: .*)$", re.MULTILINE)
_MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60000.0}


@dataclass(frozen=True, slots=True)
class Load:
    """One run of wrk: answered requests, requests a second, latency in milliseconds."""

    requests: int
    rps: float
    p50_ms: float
    p99_ms: float


def run(url: str, connections: int, seconds: int, script: Path | None = None) -> Load:
    """Load a server over kept connections; raises BenchError where one answer failed."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s", "--latency", url]
    if script is not None:
        command[1:1] = ["-s", str(script)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise BenchError(f"wrk failed: {done.stdout.strip()}")
    return parse(done.stdout)


def post(body: bytes, directory: Path) -> Path:
    """A script that lets wrk POST this body."""
    (directory / "body").write_bytes(body)
    script = directory / "post.lua"
    script.write_text(
        f'wrk.method = "POST"\nwrk.body = io.open({json.dumps(str(directory / "body"))}, "rb"):read("*a")\n'
    )
    return script


def parse(said: str) -> Load:
    """Read wrk's report; raises BenchError for one with failures in it, or without a count."""
    if broken := _BROKEN.search(said):
        raise BenchError(f"the server failed under load: {broken.group(1)}")
    count, rate = _COUNT.search(said), _RATE.search(said)
    latency = {name: float(value) * _MILLISECONDS[unit] for name, value, unit in _LATENCY.findall(said)}
    if count is None or rate is None or latency.keys() != {"50", "99"} or not int(count.group(1)):
        raise BenchError(f"wrk counted no requests: {said.strip()}")
    return Load(int(count.group(1)), float(rate.group(1)), latency["50"], latency["99"])
