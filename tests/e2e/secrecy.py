"""Looks for a secret everywhere but in Vault and in the memory of the app's own processes."""

from __future__ import annotations

import base64
import gzip
import json
import re
import tarfile
import urllib.parse
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import httpx
import psutil

from tests.e2e.world import World

NOMAD = (
    "jobs", "job/{job}", "job/{job}/versions", "job/{job}/evaluations", "job/{job}/deployments",
    "allocations?task_states=true", "deployments", "evaluations", "nodes", "vars", "services", "metrics",
    "agent/self", "operator/snapshot",
)  # fmt: skip
CONSUL = (
    "catalog/services", "catalog/service/{job}", "health/service/{job}", "agent/self", "agent/services", "agent/checks",
    "agent/metrics", "kv/?recurse=true", "snapshot",
)  # fmt: skip
TRAEFIK = ("rawdata", "overview", "http/routers", "http/services", "http/middlewares")
# Of the files and processes, that they were found.
SEEN = (
    "state.db", "raft.db", "launch.json", "executor.log", "plugin.log", "traefik-access", ".stderr.0", ".cwasm",
    "cmdline of", "environ of", "snapshot: state.bin",
)  # fmt: skip


def forms(value: str) -> list[bytes]:
    """A text as bytes, as JSON and URLs have it, and in base64 wherever it begins in what was encoded."""
    plain = value.encode()
    quoted = [urllib.parse.quote(value, safe=""), urllib.parse.quote(value), urllib.parse.quote_plus(value)]
    found = [plain, plain.hex().encode(), *(each.encode() for each in quoted)]
    found += [
        re.sub(r"%..", lambda escape: escape[0].lower(), each).encode() for each in quoted
    ]  # both are in use
    found += [json.dumps(value, ensure_ascii=ascii)[1:-1].encode() for ascii in (True, False)]
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for before in range(3):
            whole = encode(b"\0" * before + plain)
            # Without the characters that its neighbours have a part in.
            found.append(whole[(0, 2, 3)[before] : (before + len(plain)) // 3 * 4])
    return list(dict.fromkeys(found))


def places(world: World, job: str) -> Iterator[tuple[str, bytes]]:
    """Every place where it must not be, with what is there."""
    yield from _apis(world, job)
    for file in world.stack.data_dir.rglob("*"):
        if file.is_file() and "vault" not in file.relative_to(world.stack.data_dir).parts[0]:
            yield str(file), file.read_bytes()
    for process in psutil.process_iter():
        for part in ("cmdline", "environ"):
            try:
                yield f"{part} of {process.pid}", Path(f"/proc/{process.pid}/{part}").read_bytes()
            except OSError:
                continue


def _apis(world: World, job: str) -> Iterator[tuple[str, bytes]]:
    stack = world.stack
    client, running = f"{stack.nomad_addr}/v1/client", world.running(job)["ID"]
    asked = [
        *(f"{stack.nomad_addr}/v1/{path}" for path in NOMAD),
        *(f"{client}/fs/ls/{running}?path=/{part}" for part in ("", f"{job}/secrets", "alloc/logs")),
        *(f"{client}/fs/logs/{running}?task={job}&type={each}&plain=true" for each in ("stdout", "stderr")),
        f"{stack.nomad_addr}/v1/allocation/{running}",
        f"{client}/allocation/{running}/stats",
        *(f"{stack.consul_addr}/v1/{path}" for path in CONSUL),
        *(f"{stack.traefik_admin_addr}/api/{path}" for path in TRAEFIK),
    ]  # fmt: skip
    for url in asked:
        answer = httpx.get(url.format(job=job), timeout=30)
        # A key-value store without keys is not there.
        assert answer.status_code == (404 if "/kv/" in url else 200), f"{url}: {answer.status_code}"
        yield from _unpacked(url, answer.content)


def _unpacked(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """What a snapshot holds; anything else as it is."""
    if not content.startswith(b"\x1f\x8b"):
        yield name, content
        return
    with tarfile.open(fileobj=BytesIO(gzip.decompress(content))) as archive:
        for member in archive.getmembers():
            if (file := archive.extractfile(member)) is not None:
                yield f"{name}: {member.name}", file.read()


def assert_nowhere(world: World, job: str, *values: str) -> None:
    """None of the values is anywhere."""
    wanted = [form for value in values for form in forms(value)]
    looked, found = [], []
    for place, content in places(world, job):
        looked.append(place)
        found += [place for form in wanted if form in content]
    assert [part for part in SEEN if not any(part in place for place in looked)] == []
    assert found == []
