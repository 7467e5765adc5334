"""Commands on the real stack: batch, parameterized, periodic and sysbatch jobs, as the tool and Nomad run them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.driver.go_guests import go_guest
from tests.e2e.cli import PROGRAM, environment
from tests.e2e.owners import nothing_left
from tests.e2e.world import World, eventually

pytestmark = [pytest.mark.stack, pytest.mark.guests, pytest.mark.timeout(600)]

MANIFEST = """
[application]
name = "command"

[[trigger.command]]
component = "tool"
args = {args}

[component.tool]
source = "tool.wasm"

[deploy]
{deploy}
"""

Write = Callable[..., Path]


@pytest.fixture
def write(world: World, tmp_path: Path) -> Iterator[Write]:
    """Writes the app's manifest; whatever was deployed is destroyed, and leaves nothing."""
    (tmp_path / "tool.wasm").write_bytes(go_guest("go-tool").read_bytes())

    def written(*args: str, deploy: str = "") -> Path:
        text = MANIFEST.format(args=json.dumps(args), deploy=deploy)
        (tmp_path / "wasmdeploy.toml").write_text(text)
        return tmp_path

    with nothing_left(world):
        yield written
        world.cli("destroy", tmp_path)
        assert world.nomad("jobs?prefix=command") == []


def test_a_batch_job_is_followed_to_its_end(world: World, write: Write) -> None:
    """Its exit code is told; a failure is tried again as often as `retries` says; a version runs once."""
    app = write("exit", "0")
    assert world.cli("deploy", app).stdout == "command ended with exit code 0\n"
    assert "run it anew: wasmdeploy restart" in world.cli("deploy", app).stderr
    assert world.cli("restart", app).stdout == "command ended with exit code 0\n"
    done = world.cli("deploy", write("exit", "42", deploy="retries = 1"), code=1)
    assert "error: command failed: exit code 42\n" in done.stderr
    assert done.stderr.count("Terminated: Exit Code: 42") == 2
    status = json.loads(world.cli("status", app, "--json", code=3).stdout)
    newest = status["allocations"][0]
    assert (status["type"], newest["state"], newest["version"]) == ("batch", "failed", status["version"])


def test_a_parameterized_job_is_dispatched(world: World, write: Write, tmp_path: Path) -> None:
    """Payload, from a file or a pipe, and meta reach the guest; a run without its meta is refused by Nomad."""
    deploy = "[deploy.parameterized]\npayload = 'optional'\nmeta_required = ['customer']"
    app = write("dispatched", deploy=deploy)
    assert "It runs with: wasmdeploy dispatch" in world.cli("deploy", app).stderr
    (tmp_path / "order").write_text("an\norder")
    done = world.cli("dispatch", app, "--payload", tmp_path / "order", "--meta", "customer=42", "--json")
    ended = json.loads(done.stdout.splitlines()[-1])
    assert ended["exit_codes"] == [0]
    world.logged('"an\\norder" "an\\norder" "42"', "--app", ended["app"])
    piped = subprocess.run(
        [PROGRAM, "dispatch", app, "--payload", "-", "--meta", "customer=7"], input="piped", text=True,
        env=environment(WASMDEPLOY_STACK_DIR=str(world.stack.data_dir)), capture_output=True, check=True,
    )  # fmt: skip
    run = piped.stdout.removesuffix(" ended with exit code 0\n")
    world.logged('"piped" "piped" "7"', "--app", run)
    done = world.cli("dispatch", app, "--meta", "customer=1")
    run = done.stdout.removesuffix(" ended with exit code 0\n")
    world.logged('"" "" "1"', "--app", run)
    world.logged('"piped" "piped" "7"', app)
    assert "customer" in world.cli("dispatch", app, code=1).stderr
    assert (
        "--payload nowhere: No such file" in world.cli("dispatch", app, "--payload", "nowhere", code=2).stderr
    )
    listed = json.loads(world.cli("list", "--json").stdout)
    assert [each["name"] for each in listed if each["name"].startswith("command")] == ["command"]


def test_a_periodic_job_runs_by_the_clock_and_by_hand(world: World, write: Write) -> None:
    """Nomad runs it when its time comes, and `dispatch` at once."""
    # Every other second: its sixth field is the year, the first one seconds.
    app = write("args", deploy="[deploy.periodic]\ncron = '*/2 * * * * * *'\nprohibit_overlap = true")
    assert "It runs at */2 * * * * * *" in world.cli("deploy", app).stderr
    eventually(
        "it has run by the clock",
        lambda: [each for each in world.nomad("jobs?prefix=command/periodic-") if each["Status"] == "dead"],
        60,
    )
    assert "ended with exit code 0" in world.cli("dispatch", app).stdout
    assert "takes neither payload nor meta" in world.cli("dispatch", app, "--meta", "a=b", code=1).stderr


def test_a_sysbatch_job_runs_on_every_node(world: World, write: Write) -> None:
    """One run on each node of the stack, which has one."""
    done = world.cli("deploy", write("both", deploy='type = "sysbatch"'))
    assert done.stdout == "command ended with exit code 0\n"
    assert [each["ClientStatus"] for each in world.nomad("job/command/allocations")] == ["complete"]
    world.logged("to stdout", "--app", "command")
