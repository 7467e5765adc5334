"""Go's standard library as guests of `wasmdeploy run`: its own tests, all of them."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections import Counter

import pytest

from tests.e2e.cli import PROGRAM, environment

pytestmark = [pytest.mark.guests, pytest.mark.timeout(1500)]

# Package → how many of its tests pass at least: Go 1.25 has more than these.
PACKAGES = {
    "os": 150,
    "io/fs": 10,
    "time": 100,
    "strings": 80,
    "encoding/json": 200,
    "path/filepath": 20,
    "bufio": 50,
    "sort": 30,
}


def test_gos_standard_library_passes_its_own_tests() -> None:
    """`go test -short` of eight packages fails nowhere, and runs far more tests than it skips.

    Directories, PWD and PATH are what Go's own go_wasip1_wasm_exec gives a runtime. `go test` starts the program in the
    package's directory.
    """
    path = os.environ["PATH"]
    # The shell puts the package's directory in: go starts the program there.
    runs = (
        f'exec {shlex.quote(str(PROGRAM))} run --dir / --env PWD="$PWD" --env PATH={shlex.quote(path)} "$@"'
    )
    command = [
        "go",
        "test",
        "-short",
        "-json",
        "-exec",
        f"sh -c {shlex.quote(runs)} sh",
        *PACKAGES,
    ]
    done = subprocess.run(
        command,
        env=environment(GOOS="wasip1", GOARCH="wasm", GOFLAGS=""),
        capture_output=True,
        text=True,
        check=False,
    )
    events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    said = "".join(event.get("Output", "") for event in events)
    failed = [f"{each['Package']} {each.get('Test', '')}" for each in events if each.get("Action") == "fail"]
    passed = Counter(each["Package"] for each in events if each.get("Action") == "pass" and "Test" in each)
    assert (done.returncode, failed) == (0, []), f"{done.stderr[-2000:]}\n{said[-8000:]}"
    print({package: passed[package] for package in PACKAGES})
    assert [package for package, least in PACKAGES.items() if passed[package] < least] == []
