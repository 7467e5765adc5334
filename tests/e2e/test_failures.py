"""Deploys that fail: each says the true cause, and the old version goes on serving."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.server import serving
from tests.driver.guests import wat
from tests.e2e.sample import Sample
from tests.e2e.test_doctor import sealed
from tests.e2e.world import World

pytestmark = [pytest.mark.stack, pytest.mark.guests, pytest.mark.timeout(600)]

HOST = "failing.localhost"
INSTANCE = "instance  ALLOC on node client-1"
SERVING = "serving   the version before, with 1 instance"


@pytest.fixture(scope="module")
def old(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sample]:
    """An app whose first version serves."""
    sample = Sample(tmp_path_factory.mktemp("old"), "failing", environment={"GREETING": "old"})
    sample.deploy = {"host": f'"{HOST}"'}
    world.cli("deploy", sample.write())
    yield sample
    world.cli("destroy", sample.directory)


@pytest.fixture
def bad(world: World, old: Sample, tmp_path: Path) -> Iterator[Sample]:
    """The same app, to be broken; afterwards the old version must serve."""
    yield Sample(tmp_path, "failing", version="2.0", environment={"GREETING": "new"},
                 deploy={**old.deploy, "healthy_within": '"15s"'})  # fmt: skip
    answer = world.get(HOST, "/env")
    assert answer.status_code == 200
    assert "GREETING=old" in answer.text


def story(world: World, app: Path, *options: str, **env: str) -> list[str]:
    """What a failed deploy says from its post-mortem on, instances' ids and version numbers left out."""
    done = world.cli("deploy", app, *options, code=1, **env)
    text = re.sub(r"\b[0-9a-f]{8}\b", "ALLOC", done.stderr.partition("What happened:\n")[2])
    assert text, done.stderr
    return [re.sub(r"version +\d+", "version N", line.strip()) for line in text.splitlines()]


def test_a_guest_that_crashes(world: World, bad: Sample) -> None:
    """Its last words are there, and what the health check got instead of an answer."""
    bad.deploy["health_path"] = '"/fail"'
    said = story(world, bad.write())
    cause = "its health check does not pass: GET /fail answered 500 Internal Server Error: the app failed"
    line = "log       stderr | trap: GET /fail: the guest ended with exit code 3 (N times)"
    assert [re.sub(r"\d+ times", "N times", each) for each in said] == [
        "version N",
        INSTANCE,
        "event     Alloc Unhealthy: Task not running for min_healthy_time of 5s by healthy_deadline of 15s",
        line,
        f"cause     {cause}",
        SERVING,
        "next      wasmdeploy logs --stderr",
        f"error: version N of failing did not come up: {cause}",
        "hint: wasmdeploy logs --stderr",
    ]


def test_a_health_check_that_does_not_pass(world: World, bad: Sample) -> None:
    """The check's own answer is told, status and body."""
    bad.deploy["health_path"] = '"/teapot"'
    cause = "its health check does not pass: GET /teapot answered 418 I'm a Teapot: short and stout"
    assert story(world, bad.write()) == [
        "version N",
        INSTANCE,
        "event     Alloc Unhealthy: Task not running for min_healthy_time of 5s by healthy_deadline of 15s",
        f"cause     {cause}",
        SERVING,
        "next      wasmdeploy logs --stderr",
        f"error: version N of failing did not come up: {cause}",
        "hint: wasmdeploy logs --stderr",
    ]


def test_a_compile_that_takes_too_long(world: World, bad: Sample) -> None:
    """What the node was at when the time was over is told, and which setting gives it more."""
    bad.deploy["healthy_within"] = '"6s"'
    app = bad.write()
    (app / "app.wasm").write_bytes(wat(slow_to_compile(800)))
    work = "web: compiling 0.0 MB"
    cause = f"the node was still busy when healthy_within was over ({work})"
    hint = "raise deploy.healthy_within, then: wasmdeploy deploy"
    said = story(world, app)
    assert [line for line in said if not line.startswith(("instance", "event"))] == [
        "version N",
        f"cause     {cause}",
        SERVING,
        f"next      {hint}",
        f"error: version N of failing did not come up: {cause}",
        f"hint: {hint}",
    ]


def slow_to_compile(size: int) -> str:
    """A small module that takes long: nested loops, whose values all live to the end."""
    begin = [
        f"loop local.get {each} i64.const 3 i64.add local.set {each} local.get {(each * 7 + 1) % size} i64.eqz "
        f"if local.get {each} i64.const 5 i64.xor local.set {(each * 3 + 2) % size} end"
        for each in range(size)
    ]
    end = [f"local.get {each} i32.wrap_i64 br_if 0 end" for each in range(size)]
    body = "\n".join(["(local", *["i64"] * size, ")", *begin, *end])
    return f'(module (memory (export "memory") 1) (func (export "_start") {body}))'


def test_giving_up_early(world: World, bad: Sample) -> None:
    """With --timeout the version is left to itself, and the way back is told; `rollback` then takes it back."""
    bad.deploy |= {"health_path": '"/teapot"', "healthy_within": '"5m"'}
    said = story(world, bad.write(), "--timeout", "12s")
    assert said[-2:] == [
        "error: gave up waiting for version N of failing: its health check does not pass: "
        "GET /teapot answered 418 I'm a Teapot: short and stout",
        "hint: it goes on without us: wasmdeploy status --watch; or go back: wasmdeploy rollback",
    ]
    done = world.cli("rollback", "--manifest", bad.directory)
    assert "The deploy of failing is taken back: the version before serves" in done.stderr


def test_a_secret_that_is_missing(world: World, bad: Sample) -> None:
    """Where Vault is not known here, the node's own words tell which secret, and where."""
    bad.more = "[variables.token]\nsecret = true"
    env = {
        "NOMAD_ADDR": world.stack.nomad_addr.replace("127.0.0.1", "localhost"),
        "CONSUL_HTTP_ADDR": world.stack.consul_addr,
        "WASMDEPLOY_COMPONENT_DIR": str(world.stack.components_dir),
    }
    cause = "no such secret: token (secret/default/failing#token)"
    hint = "store it: wasmdeploy secrets set NAME; then: wasmdeploy deploy"
    said = story(world, bad.write(), **env)
    assert said[:2] == ["version N", INSTANCE]
    assert said[2].startswith("event     Driver Failure: ")
    assert cause in said[2]
    assert said[-5:] == [
        f"cause     {cause}",
        SERVING,
        f"next      {hint}",
        f"error: version N of failing did not come up: {cause}",
        f"hint: {hint}",
    ]


def test_a_component_that_is_another(world: World, bad: Sample) -> None:
    """What the node downloads must have the digest that was deployed."""
    with serving() as server:
        server.chunks = [b"something else"]
        bad.deploy["artifacts"] = f'"{server.url}"'
        env = {"NOMAD_ADDR": world.stack.nomad_addr.replace("127.0.0.1", "localhost"),
               "CONSUL_HTTP_ADDR": world.stack.consul_addr}  # fmt: skip
        said = story(world, bad.write(), **env)
    assert said[2].startswith("event     Failed Artifact Download: ")
    assert said[3].startswith("cause     a component is not the one that was deployed: ")
    assert "checksums did not match" in said[3].lower()
    assert said[4:6] == [SERVING, "next      remove it from where the nodes get it, then: wasmdeploy deploy"]


def test_no_room(world: World, bad: Sample) -> None:
    """Nomad's reason is told, and the version does not wait for a place any more."""
    bad.deploy["memory"] = "9999999"
    hint = (
        "ask for less in [deploy] (cpu, memory, datacenters), or add a node; wasmdeploy plan tells if it fits"
    )
    assert story(world, bad.write()) == [
        "version N",
        "cause     Nomad finds no place for it: memory (1 node)",
        SERVING,
        f"next      {hint}",
        "error: version N of failing did not come up: Nomad finds no place for it: memory (1 node)",
        f"hint: {hint}",
    ]


def test_a_sealed_vault(world: World, bad: Sample) -> None:
    """It is found before anything is sent: a task would wait for Vault without a word."""
    bad.more = "[variables.token]\nsecret = true"
    before = world.nomad("job/failing")["Version"]
    with sealed(world):
        done = world.cli("deploy", bad.write(), code=1)
    errors = [line for line in done.stderr.splitlines() if line.startswith(("error:", "hint:"))]
    assert errors[0] == f"error: Vault at {world.stack.vault_addr} is sealed"
    assert world.nomad("job/failing")["Version"] == before
