"""Versions of one app: canaries, promotion, rollback, scaling, restarts, and two deploys at once."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.cli import PROGRAM, environment
from tests.e2e.load import steady
from tests.e2e.sample import Sample
from tests.e2e.world import World, eventually
from tests.stack.fixtures import Events
from wasmdeploy_cli.deployment.deploy import register
from wasmdeploy_cli.errors import DeployError
from wasmdeploy_cli.nomad import Nomad, Settings

pytestmark = [pytest.mark.stack, pytest.mark.guests, pytest.mark.timeout(600)]


@pytest.fixture
def sample(world: World, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Sample]:
    """A sample app with a host name; destroyed afterwards."""
    name = "v" + "".join(char for char in request.node.name if char.isalnum())[4:30].lower()
    made = Sample(tmp_path / "app", name, variables={"greeting": "one"})
    made.environment = {"GREETING": "{{ greeting }}"}
    made.deploy = {"host": f'"{name}.localhost"'}
    yield made
    if world.nomad(f"job/{made.name}"):  # as a test may have renamed it
        world.cli("destroy", made.directory)


def greeting(world: World, sample: Sample, **options: object) -> str:
    """The greeting of the version that answers at Traefik."""
    host = str(options.pop("host", f"{sample.name}.localhost"))
    answer = httpx.get(
        f"{world.stack.traefik_addr}/env", headers={"host": host, **dict(options.pop("headers", {}))}
    )
    lines = dict(line.split("=", 1) for line in answer.text.splitlines() if "=" in line)
    return lines.get("GREETING", f"HTTP {answer.status_code}")


def deploy(world: World, sample: Sample, word: str, *options: str) -> None:
    """Deploy with another greeting."""
    sample.variables["greeting"] = word
    world.cli("deploy", sample.write(), *options)


def versions(world: World, sample: Sample) -> list[dict[str, object]]:
    """What `history` says."""
    return list(json.loads(world.cli("history", sample.directory, "--json").stdout))


def test_a_deploy_ends_when_only_the_new_version_answers(world: World, sample: Sample) -> None:
    """Right after `deploy`, no request reaches the old version any more."""
    deploy(world, sample, "one")
    deploy(world, sample, "two")
    assert {greeting(world, sample) for _ in range(20)} == {"two"}


@pytest.mark.parametrize("count", [1, 3])
def test_a_rollback_under_load_fails_no_request(world: World, sample: Sample, count: int) -> None:
    """The old version's variables are back, a second rollback goes forward again, and no request fails."""
    sample.deploy["count"] = str(count)
    deploy(world, sample, "one")
    deploy(world, sample, "two")
    manifest = ("--manifest", sample.directory)
    with steady(world.stack.traefik_addr, f"{sample.name}.localhost", rate=60) as load:
        world.cli("rollback", *manifest)
        assert {greeting(world, sample) for _ in range(8)} == {"one"}
        world.cli("rollback", *manifest)
        assert {greeting(world, sample) for _ in range(8)} == {"two"}
    assert load.failures == []
    assert load.sent > 300
    assert [each["count"] for each in versions(world, sample)] == [count] * 4
    world.cli("rollback", "0", *manifest)
    assert greeting(world, sample) == "one"


def test_scaling_and_restarting_under_load_fail_no_request(world: World, sample: Sample) -> None:
    """Up, down, and all instances new; the next deploy goes by the manifest again."""
    deploy(world, sample, "one")
    manifest = ("--manifest", sample.directory)
    with steady(world.stack.traefik_addr, f"{sample.name}.localhost", rate=60) as load:
        first = world.running(sample.name)["ID"]
        world.cli("scale", "2", *manifest)
        both = instances(world, sample)
        assert (len(both), first in both) == (2, True)
        world.cli("scale", "1", *manifest)
        (left,) = instances(world, sample)
        world.cli("restart", sample.directory)
        (new,) = instances(world, sample)
    assert load.failures == []
    assert new != left
    assert "Nothing changed" in world.cli("deploy", sample.directory).stderr


def test_a_rollback_goes_back_behind_many_scales(world: World, sample: Sample) -> None:
    """However many versions are the same app, the one before is not forgotten, nor its component."""
    deploy(world, sample, "one")
    sample.variant = 1
    deploy(world, sample, "two")
    manifest = ("--manifest", sample.directory)
    for count in (2, 1, 2, 1, 2, 1, 2):
        world.cli("scale", str(count), *manifest, "--detach")
    url = f"{sample.name} http://{sample.name}.localhost:"
    assert world.cli("scale", "1", *manifest).stdout.startswith(f"Scaled {url}")
    assert world.cli("rollback", *manifest).stdout.startswith(f"Rolled back {url}")
    assert greeting(world, sample) == "one"
    assert world.cli("restart", sample.directory).stdout.startswith(f"Restarted {url}")
    directory = world.stack.components_dir / "default" / sample.name
    needed = sorted(directory.iterdir())
    stray = directory / f"{'0' * 64}.wasm"
    stray.touch()
    for component in (stray, *needed):
        os.utime(component, (0, 0))  # old enough to be tidied up
    sample.variant = 2
    deploy(world, sample, "three")
    left = sorted(directory.iterdir())
    assert (len(needed), len(left), stray in left) == (2, 3, False)
    assert set(needed) < set(left)


def test_a_job_that_is_not_ours_is_left_alone(world: World, sample: Sample) -> None:
    """`plan` and `deploy` refuse to take its place unless they are told to."""
    task = {"Name": "web", "Driver": "wasm", "Config": {}}
    group = {"Name": "web", "Count": 0, "Tasks": [task]}
    job = {"ID": sample.name, "Name": sample.name, "Datacenters": ["*"], "TaskGroups": [group]}
    httpx.post(f"{world.stack.nomad_addr}/v1/jobs", json={"Job": job}, timeout=60).raise_for_status()
    app = sample.write()
    for command, code in (("plan", 255), ("deploy", 1)):
        refused = world.cli(command, app, code=code).stderr
        assert f"the job '{sample.name}' in namespace 'default' is no app of wasmdeploy's" in refused
        assert "replace that job: --replace" in refused
    assert world.nomad(f"job/{sample.name}")["Version"] == 0
    assert "+ component  web: sha256:" in world.cli("plan", app, "--replace", code=1).stdout
    world.cli("deploy", app, "--replace")
    assert greeting(world, sample) == "one"


def instances(world: World, sample: Sample) -> list[str]:
    """The instances that run."""
    stubs = world.nomad(f"job/{sample.name}/allocations")
    return [each["ID"] for each in stubs if each["ClientStatus"] == "running"]


def test_a_canary_is_tried_and_promoted(world: World, sample: Sample) -> None:
    """It answers at its own host name and to its header, and takes over when it is promoted; no request fails."""
    deploy(world, sample, "one")
    host = f"{sample.name}.localhost"
    with steady(world.stack.traefik_addr, host, rate=60) as load:
        sample.variables["greeting"] = "two"
        done = world.cli("deploy", sample.write(), "--canary", "1")
        assert done.stdout.startswith(f"Canaries of {sample.name} http://canary.{host}:")
        alone = {greeting(world, sample, host=f"canary.{host}") for _ in range(6)}
        headed = {greeting(world, sample, headers={"X-Canary": "true"}) for _ in range(6)}
        assert (alone, headed) == ({"two"}, {"two"})
        assert {greeting(world, sample) for _ in range(12)} == {"one", "two"}
        assert (
            "GREETING=two" in world.cli("invoke", "/env", "--canary", "--manifest", sample.directory).stdout
        )
        world.cli("promote", sample.directory)
        assert {greeting(world, sample) for _ in range(8)} == {"two"}
    assert load.failures == []
    eventually("its own route is gone", lambda: greeting(world, sample, host=f"canary.{host}") == "HTTP 404")
    done = world.cli("promote", sample.directory, code=1)
    assert f"no canary of {sample.name} waits to be promoted" in done.stderr
    done = world.cli("invoke", "--canary", "--manifest", sample.directory, code=1)
    assert f"no healthy canary of {sample.name} runs" in done.stderr


def test_a_canary_is_taken_back(world: World, sample: Sample) -> None:
    """`rollback` ends a deploy that is not promoted; the old version has not stopped."""
    deploy(world, sample, "one")
    (old,) = instances(world, sample)
    deploy(world, sample, "two", "--canary", "1")
    world.cli("rollback", "--manifest", sample.directory)
    assert instances(world, sample) == [old]
    eventually("only the old version answers", lambda: {greeting(world, sample) for _ in range(6)} == {"one"})
    assert [(each["version"], each["copy_of"]) for each in versions(world, sample)] == [
        (2, 0),
        (1, None),
        (0, None),
    ]
    assert "2 *  " in (shown := world.cli("history", sample.directory).stdout)
    assert "by Nomad, again 0" in shown


def test_of_two_deploys_at_once_one_wins(world: World, sample: Sample, tmp_path: Path) -> None:
    """The other says who was faster, and changes nothing."""
    deploy(world, sample, "one")
    rival = Sample(tmp_path / "rival", sample.name, deploy=sample.deploy, variables={"greeting": "rival"})
    rival.environment = sample.environment
    sample.variables["greeting"] = "two"
    env = environment(WASMDEPLOY_STACK_DIR=str(world.stack.data_dir))
    started = [
        subprocess.Popen(
            [PROGRAM, "deploy", each.write()],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for each in (sample, rival)
    ]
    said = [each.communicate(timeout=300)[1] for each in started]
    codes = [each.returncode for each in started]
    assert sorted(codes) == [0, 1], said
    # Whether it came late to register, or was overtaken afterwards, is a matter of milliseconds.
    faster = f"another deploy was faster: version 1 of {sample.name} was registered since this one has looked"
    meanwhile = f"another version of {sample.name} was registered meanwhile"
    lost = said[codes.index(1)]
    assert faster in lost or meanwhile in lost
    assert greeting(world, sample) == ("two", "rival")[codes.index(0)]


def test_a_job_is_registered_only_after_the_one_that_was_looked_at(world: World, sample: Sample) -> None:
    """With an index that is not the newest any more Nomad refuses, and the error says what came before."""
    deploy(world, sample, "one", "--detach")
    nomad, job = Nomad(Settings(world.stack.nomad_addr)), world.nomad(f"job/{sample.name}")
    changed = {**job, "Meta": {**job["Meta"], "app_version": "2"}}
    for index in (0, job["JobModifyIndex"] - 1):
        with pytest.raises(DeployError, match=f"version 0 of {sample.name} was registered since"):
            register(changed, index, nomad, Events())
    assert register(changed, job["JobModifyIndex"], nomad, Events()).version == 1


def test_a_stopped_app_starts_again(world: World, sample: Sample) -> None:
    """`stop` keeps versions and components: `rollback` and `deploy` start it."""
    deploy(world, sample, "one")
    world.cli("stop", sample.directory)
    assert instances(world, sample) == []
    assert "stopped" in world.cli("status", sample.directory, code=3).stdout
    assert "stopped already" in world.cli("stop", sample.directory).stderr
    assert [each["stopped"] for each in versions(world, sample)] == [True, False]
    world.cli("rollback", "--manifest", sample.directory)
    assert greeting(world, sample) == "one"


def test_what_is_told_about_an_app(world: World, sample: Sample) -> None:
    """`list`, `open`, `invoke`, `events` and `history` agree on what runs."""
    deploy(world, sample, "one")
    (listed,) = [
        each for each in json.loads(world.cli("list", "--json").stdout) if each["name"] == sample.name
    ]
    assert (listed["state"], listed["running"], listed["app_version"]) == ("running", 1, "1.0")
    assert json.loads(world.cli("open", sample.directory, "--json").stdout) == {"url": listed["url"]}
    invoked = world.cli("invoke", "/teapot", "-i", "--manifest", sample.directory, code=22)
    head, _, body = invoked.stdout.partition("\n\n")
    assert head.startswith("418 ")
    assert body.endswith("short and stout\n")
    echoed = world.cli("invoke", "/echo", "-d", "a body", "--manifest", sample.directory)
    assert echoed.stdout == "a body"
    events = [
        json.loads(line) for line in world.cli("events", sample.directory, "--json").stdout.splitlines()
    ]
    assert [each["type"] for each in events if each["type"] in ("Received", "Started")] == [
        "Received",
        "Started",
    ]
    (version,) = versions(world, sample)
    assert (version["version"], version["stable"], version["current"]) == (0, True, True)


def test_a_host_name_belongs_to_one_app(world: World, sample: Sample, tmp_path: Path) -> None:
    """A second app with the same host name is refused, and nothing of it is registered."""
    deploy(world, sample, "one")
    other = Sample(tmp_path / "other", f"{sample.name}2", deploy=sample.deploy)
    for command in ("plan", "deploy"):
        done = world.cli(command, other.write(), code=None)
        host = f"{sample.name}.localhost"
        assert done.returncode == (255 if command == "plan" else 1)
        assert f"the host name '{host}' is routed to the service '{sample.name}' already" in done.stderr
    assert world.nomad(f"job/{other.name}") is None


def test_two_apps_with_one_name_in_consul(world: World, sample: Sample, tmp_path: Path) -> None:
    """Namespace `a` with app `b` is refused while the app `a-b` of the default namespace runs."""
    sample.name, sample.deploy = "team-shop", {}
    deploy(world, sample, "one")
    nomad = world.stack.nomad_addr
    httpx.put(f"{nomad}/v1/namespace/team", json={"Name": "team"}, timeout=60).raise_for_status()
    try:
        other = Sample(tmp_path / "other", "shop", deploy={"namespace": '"team"'})
        done = world.cli("deploy", other.write(), code=1)
        assert (
            "'team-shop' in namespace 'default' is the service 'team-shop' in Consul already" in done.stderr
        )
    finally:
        httpx.delete(f"{nomad}/v1/namespace/team", timeout=60)
