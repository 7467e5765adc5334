"""`plan` says what `deploy` then does, asked of the real Nomad."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.sample import Sample
from tests.e2e.world import World, eventually
from wasmdeploy_cli.job.changes import changes

pytestmark = [pytest.mark.stack, pytest.mark.guests, pytest.mark.timeout(1800)]

STARTS = ("start", "start beside the old version", "replace", "move")
STOPS = ("stop", "replace", "move")
WALKS, STEPS = 3, 10


def operations(sample: Sample, chance: random.Random) -> list[Callable[[], object]]:
    """What can happen to an app between two deploys."""
    number = chance.randrange(1000)
    return [
        lambda: None,
        lambda: sample.deploy.update(count=str(chance.randint(1, 3))),
        lambda: sample.deploy.update(count=str(chance.randint(1, 3))),
        lambda: sample.deploy.update(cpu=str(50 + number % 100)),
        lambda: sample.deploy.update(memory=str(200 + number % 50)),
        lambda: sample.deploy.update(host=f'"{sample.name}-{number}.localhost"'),
        lambda: sample.deploy.pop("host", None),
        lambda: sample.deploy.update(health_path='"/env"'),
        lambda: sample.deploy.update(healthy_within=f'"{60 + number}s"'),
        lambda: sample.deploy.update(entrypoints='["web"]'),
        lambda: sample.deploy.update(links=f'{{ Docs = "https://docs.example/{number}" }}'),
        lambda: setattr(sample, "version", f"1.{number}"),
        lambda: setattr(sample, "description", f"Sample number {number}"),
        lambda: setattr(sample, "variant", chance.randrange(3)),
        lambda: setattr(sample, "routes", ("/...", f"/route/{number}")),
        lambda: setattr(
            sample, "outbound", chance.sample(("https://a.example", "http://*.b.example:8080"), 1)
        ),
        lambda: sample.environment.update(NUMBER=f"${{number}} {number}"),
        sample.environment.clear,
        lambda: sample.variables.update({f"name{number % 3}": f"value {number}"}),
        sample.variables.clear,
        lambda: setattr(sample, "more", f'[deploy.limits]\ntimeout = "{1 + number}s"'),
    ]


def test_thirty_generated_changes_are_planned_as_they_are_then_deployed(world: World, tmp_path: Path) -> None:
    """Changes, versions and instances are those of the plan, and a plan right after it is empty."""
    with ThreadPoolExecutor(WALKS) as pool:
        done = list(pool.map(lambda walk: _walk(world, tmp_path, walk), range(WALKS)))
    assert sum(len(kinds) for kinds in done) == WALKS * STEPS
    assert {True, False} == {changed for kinds in done for changed in kinds}


def _walk(world: World, tmp_path: Path, walk: int) -> list[bool]:
    """One app through its changes; gives for each whether it was one."""
    chance = random.Random(walk)
    sample = Sample(tmp_path / str(walk), f"plan{walk}")
    changed = []
    try:
        for _ in range(STEPS):
            for change in chance.sample(operations(sample, chance), chance.choice((1, 1, 2))):
                change()
            changed.append(_step(world, sample))
    finally:
        world.cli("destroy", sample.directory, code=None)
    return changed


def _step(world: World, sample: Sample) -> bool:
    app, name = sample.write(), sample.name
    before = world.nomad(f"job/{name}")
    instances = _instances(world, name)
    plan = json.loads(world.cli("plan", app, "--json", code=None).stdout)
    assert world.nomad(f"job/{name}") == before, "planning changes nothing"
    world.cli("deploy", app, "--detach")
    eventually("the scheduler is done", lambda: _scheduled(world, name))
    after, now = world.nomad(f"job/{name}"), _instances(world, name)
    assert plan["changes"] == [
        {**asdict(change), "widened": change.widened} for change in changes(before, after)
    ]
    assert plan["changed"] == (before is None or after["Version"] != before["Version"])
    # A plan is of what the scheduler does at once: on a busy machine the deployment has gone on meanwhile.
    at_once = _index_of_register(world, name)
    started = [
        each for each in now.keys() - instances.keys() if _index(world, each, "CreateIndex") <= at_once
    ]
    assert _sum(plan, STARTS) == len(started), plan
    ended = [each for each, state in instances.items() if state == "run" and now[each] != "run"]
    ended = [each for each in ended if _index(world, each, "AllocModifyIndex") <= at_once]
    assert _sum(plan, STOPS) == len(ended), plan
    world.cli("plan", app, code=0)
    eventually(f"{name} is deployed", lambda: _settled(world, name), 300, lambda: _facts(world, name))
    return bool(plan["changed"])


def _sum(plan: dict[str, Any], actions: tuple[str, ...]) -> int:
    return sum(plan["actions"].get(action, 0) for action in actions)


def _instances(world: World, name: str) -> dict[str, str]:
    return {each["ID"]: each["DesiredStatus"] for each in world.nomad(f"job/{name}/allocations") or []}


def _index_of_register(world: World, name: str) -> int:
    """Nomad's index when it had scheduled what was registered last."""
    found = world.nomad(f"job/{name}/evaluations")
    return max(each["ModifyIndex"] for each in found if each["TriggeredBy"] == "job-register")


def _index(world: World, allocation: str, which: str) -> int:
    return int(world.nomad(f"allocation/{allocation}")[which])


def _scheduled(world: World, name: str) -> bool:
    # One that a later one of the job overtook is canceled.
    return all(each["Status"] in ("complete", "canceled") for each in world.nomad(f"job/{name}/evaluations"))


def _settled(world: World, name: str) -> bool:
    deployment = world.nomad(f"job/{name}/deployment")
    assert deployment["Status"] in ("running", "successful"), deployment
    return bool(deployment["Status"] == "successful") and _scheduled(world, name)


def _facts(world: World, name: str) -> dict[str, object]:
    """What tells why it is not."""
    return {what: world.nomad(f"job/{name}/{what}") for what in ("deployment", "evaluations", "allocations")}


@pytest.fixture
def sample(world: World, tmp_path: Path, request: pytest.FixtureRequest) -> Sample:
    """A sample app named after the test; destroyed afterwards."""
    made = Sample(tmp_path / "app", f"p{abs(hash(request.node.name)) % 10**6}")
    yield made
    if httpx.get(f"{world.stack.nomad_addr}/v1/job/{made.name}", timeout=60).status_code == 200:
        world.cli("destroy", made.directory)


def test_the_exit_code_tells_whether_there_is_a_change(world: World, sample: Sample) -> None:
    """1 for a change, 0 for none, 255 for an error, and a plan sends nothing."""
    app = sample.write()
    assert f"{sample.name} in namespace default: this would change" in world.cli("plan", app, code=1).stdout
    assert world.nomad(f"job/{sample.name}") is None
    assert not (world.stack.components_dir / "default" / sample.name).exists()
    world.cli("plan", app / "nowhere", code=255)
    world.cli("plan", app, code=255, NOMAD_ADDR="http://127.0.0.1:1")


def test_people_read_what_changes(world: World, sample: Sample) -> None:
    """Components with digest and size, routes, variables, widened capabilities; of secrets only the place."""
    world.cli("deploy", sample.write(), "--detach")
    sample.variant, sample.outbound, sample.routes = 1, ("https://api.example.com",), ("/...", "/api")
    sample.variables = {"greeting": "Hello"}
    sample.more = "[variables.token]\nsecret = true"
    world.put_secret(f"default/{sample.name}", token="hidden value")
    shown = world.cli("plan", sample.write(), code=1).stdout
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert any(line.startswith("~ component web: sha256:") and line.count("(3.3 MB)") == 2 for line in lines)
    assert "+ route /api: web" in lines
    assert "+ variable greeting: Hello" in lines
    assert f"+ secret token: secret/default/{sample.name}#token (version 1)" in lines
    assert "+ capability web calls https://api.example.com: allowed [widened]" in lines
    assert "hidden value" not in shown


def test_a_plan_tells_that_there_is_no_room(world: World, sample: Sample) -> None:
    """The reason why no node will take the app is known before it is deployed."""
    sample.deploy["memory"] = "9999999"
    assert "no place: memory (1 node)" in world.cli("plan", sample.write(), code=1).stdout


def test_a_plan_in_a_file_is_done_or_refused(world: World, sample: Sample, tmp_path: Path) -> None:
    """`deploy plan.json` does it once; after any change of the cluster or the app it refuses."""
    file = tmp_path / "plan.json"
    sample.write()
    world.cli("plan", sample.directory, "--out", file, code=1)
    world.cli("deploy", file, "--detach")
    assert world.nomad(f"job/{sample.name}")["Version"] == 0
    done = world.cli("deploy", file, code=1)
    assert f"{sample.name} has changed on the cluster since the plan was made" in done.stderr
    sample.version = "2.0"
    sample.write()
    world.cli("plan", sample.directory, "--out", file, code=1)
    sample.version = "3.0"
    sample.write()
    done = world.cli("deploy", file, code=1)
    assert "a component or a secret has changed since the plan was made" in done.stderr
    assert world.nomad(f"job/{sample.name}")["Version"] == 0
