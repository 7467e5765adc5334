"""An app under load whose guests trap and loop: every other request is answered, and nothing grows.

SOAK_SECONDS is how long (30 in `make test`, 600 in `make soak`).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

from tests.bench.servers import Command, listening
from tests.conformance.servers import guest
from tests.e2e.cli import PROGRAM
from tests.soak.holdings import Holdings, held
from tests.soak.load import Ask, Load, loading

SECONDS = float(os.environ.get("SOAK_SECONDS", "30"))
pytestmark = [pytest.mark.guests, pytest.mark.soak, pytest.mark.timeout(SECONDS + 400)]

CONNECTIONS = 64
MANIFEST = """\
[application]
name = "soak"
version = "0.1.0"

[[trigger.http]]
route = "/..."
component = "fresh"

[[trigger.http]]
route = "/calls"
component = "kept"

[[trigger.http]]
route = "/trap"
component = "kept"

[[trigger.http]]
route = "/count"
component = "python"

[component.fresh]
source = "rust.wasm"

[component.kept]
source = "rust.wasm"
isolation = "instance"

[component.python]
source = "python.wasm"

[deploy.limits]
timeout = "2s"
"""
_BODY = bytes(range(250)) * 40
_GOOD = (
    *[Ask("/hello", 200, b"hello\n")] * 40,
    *[Ask("/echo", 200, _BODY, _BODY)] * 26,
    *[Ask("/calls", 200)] * 24,
    *[Ask("/count", 200, b"%d" % len(_BODY), _BODY)] * 8,
)
# One of a hundred traps, by turns in a fresh instance and in one that stays; one of a hundred loops.
MIX = tuple(
    ask
    for trap in ("/trap", "/exit")
    for ask in (*_GOOD[:49], Ask(trap, 500), *_GOOD[49:], Ask("/loop", 504))
)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[tuple[int, tuple[str, int]]]:
    """The app's process and its address."""
    (tmp_path / "wasmdeploy.toml").write_text(MANIFEST)
    for language in ("rust", "python"):
        (tmp_path / f"{language}.wasm").write_bytes(guest(language).read_bytes())
    command = Command("", (str(PROGRAM), "up", str(tmp_path), "--listen", "127.0.0.1:0"))
    with listening(command, tmp_path / "log") as (process, url):
        host, _, port = url.removeprefix("http://").partition(":")
        yield process.pid, (host, int(port))


def test_soak(app: tuple[int, tuple[str, int]]) -> None:
    """At concurrency 64, with 1 % of guests that trap and 1 % that loop: right answers, and nothing that grows."""
    pid, address = app
    warm = max(min(12.0, SECONDS / 2), min(60.0, SECONDS / 5))
    _loaded(pid, address, warm, "warm-up")
    before = _settled(pid, None)
    load, taken = _loaded(pid, address, SECONDS - warm, "load")
    after = _settled(pid, before)
    _say(f"before: {before}; after: {after}; {load.answered.total()} answers: {dict(load.answered)}")
    assert load.wrong[:10] == []
    assert load.answered.keys() == {ask.path for ask in MIX}
    assert load.answered["/loop"] >= 2
    # Of each process: there are more of them where the machine is busy with something else.
    third = len(taken) // 3
    early, late = (
        median(each.memory / each.processes for each in part) for part in (taken[:third], taken[-third:])
    )
    assert late <= early * 1.25 + 4, f"{early:.0f} MB became {late:.0f} MB under load, in each process"
    assert after.processes <= before.processes
    assert after.threads <= before.threads + 1
    assert after.descriptors <= before.descriptors + 4
    assert after.memory <= before.memory * 1.1 + 16


def _loaded(pid: int, address: tuple[str, int], seconds: float, what: str) -> tuple[Load, list[Holdings]]:
    taken: list[Holdings] = []
    began = told = time.monotonic()
    with loading(address, MIX, CONNECTIONS) as load:
        while (now := time.monotonic()) - began < seconds and len(load.wrong) < 10:
            taken.append(held(pid))
            if now - told >= 10:
                told = now
                _say(
                    f"{what}: {now - began:.0f} of {seconds:.0f} s, {load.answered.total()} answers, {taken[-1]}"
                )
            time.sleep(0.5)
    assert taken
    return load, taken


def _settled(pid: int, wanted: Holdings | None) -> Holdings:
    """What is held at rest: once nothing has changed for some seconds, or no more is held than `wanted`."""
    deadline = time.monotonic() + 90
    now, since = held(pid), time.monotonic()
    while time.monotonic() < deadline:
        time.sleep(0.5)
        last, now = now, held(pid)
        if (now.processes, now.descriptors) != (last.processes, last.descriptors):
            since = time.monotonic()
        quiet = time.monotonic() - since
        if wanted is None and quiet > 12:
            break
        if (
            wanted is not None
            and quiet > 2
            and now.processes <= wanted.processes
            and now.descriptors <= wanted.descriptors
        ):
            break
    return now


def _say(text: str) -> None:
    print(f"soak: {text}", file=sys.stderr, flush=True)
