"""What guests get and do on a node: hostile strings, traps and loops, commands, secrets that stay secret."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.driver.go_guests import go_guest
from tests.e2e.secrecy import assert_nowhere
from tests.e2e.world import World, eventually

pytestmark = [pytest.mark.stack, pytest.mark.guests, pytest.mark.timeout(600)]

_ENDS = ("Terminated", "Driver Failure", "Failed Validation")

HOSTILE = [
    'a "quoted" word', "back\\slash \\n \\u0041", "two\nlines\n", "tab\there", "a${b", "a${b}", "${NOMAD_TASK_NAME}",
    "%{if true}", "$${x} %%{y}", "$$$", "%%", "ünïcödé ☃ 😀", "{{ not a variable }}", "{{.range}}", "{{Upper}}",
    "'single' `tick`",
    "trailing \\", "<<EOF\nx\nEOF", "/* c */ # d // e", "\r\n", "\ufeffbom", "",
]  # fmt: skip

APP = """
[application]
name = "guests"

[variables]
token = { secret = true }
plain = { default = "p${q" }

[[trigger.http]]
route = "/..."
component = "guests"

[component.guests]
source = "guests.wasm"
environment = {}

[deploy]
host = "guests.localhost"

[deploy.limits]
timeout = "1s"
"""


def toml_string(text: str) -> str:
    """A TOML basic string."""
    return json.dumps(text).replace("\\ud83d\\ude00", "😀")


@pytest.fixture
def cgi(world: World, tmp_path: Path) -> Path:
    """An app of one CGI module with hostile strings in its environment, and a secret."""
    environment = {f"H{i}": text for i, text in enumerate(HOSTILE)} | {
        "TOKEN": "{{ token }}",
        "PLAIN": "{{ plain }}",
    }
    pairs = ", ".join(f"{key} = {toml_string(value)}" for key, value in environment.items())
    (tmp_path / "wasmdeploy.toml").write_text(APP.replace("environment = {}", f"environment = {{ {pairs} }}"))
    (tmp_path / "guests.wasm").write_bytes(go_guest("go-cgi").read_bytes())
    return tmp_path


def test_a_deployed_guest(world: World, cgi: Path) -> None:
    """A guest gets every hostile string as it is; its traps and loops fail one request; its secret stays its own."""
    secret = secrets.token_urlsafe(24) + "/+ ä"
    world.put_secret("default/guests", token=secret)
    world.cli("deploy", cgi)
    try:
        received = dict(line.split("=", 1) for line in world.get("guests.localhost", "/json").json())
        assert [received[f"H{i}"] for i in range(len(HOSTILE))] == HOSTILE
        assert (received["TOKEN"], received["PLAIN"]) == (secret, "p${q")
        for path, status in (("/panic", 500), ("/loop", 504), ("/fail", 500), ("/nothing", 500)):
            assert world.get("guests.localhost", path).status_code == status
            assert world.get("guests.localhost").text == "hello from Go\n"
        world.logged("panic: as asked", cgi)
        assert_nowhere(world, "guests", secret)
        assert_hcl_is_json(world, cgi)
    finally:
        world.cli("destroy", cgi)


def normal(value: Any) -> Any:
    """A job without what is not set: Nomad's parser writes every key."""
    if isinstance(value, dict):
        kept = {key: normal(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item not in (None, {}, [], "", 0, False)}
    if isinstance(value, list):
        return [normal(item) for item in value]
    return value


def assert_hcl_is_json(world: World, app: Path) -> None:
    """Nomad reads from the rendered HCL what `deploy` sends."""
    directory = str(world.stack.components_dir)
    hcl = world.cli("render", app, "--component-dir", directory).stdout
    sent = json.loads(world.cli("render", app, "--format", "json", "--component-dir", directory).stdout)[
        "Job"
    ]
    parsed = httpx.post(
        f"{world.stack.nomad_addr}/v1/jobs/parse", json={"JobHCL": hcl, "Canonicalize": False}, timeout=60
    )
    parsed.raise_for_status()
    assert normal(parsed.json()) == normal(sent)


def command_job(world: World, name: str, config: dict[str, Any], **task: Any) -> dict[str, Any]:
    """A batch job that runs one command of the tool guest once."""
    source = world.stack.components_dir / "tool.wasm"
    source.write_bytes(go_guest("go-tool").read_bytes())
    return {
        "ID": name, "Type": "batch", "Datacenters": ["*"],
        "TaskGroups": [{
            "Name": "g", "RestartPolicy": {"Attempts": 0, "Mode": "fail"}, "ReschedulePolicy": {"Attempts": 0},
            "Tasks": [{"Name": "t", "Driver": "wasm", "Config": {"module": str(source), **config},
                       "Resources": {"CPU": 100, "MemoryMB": 128}, **task}],
        }],
    }  # fmt: skip


def run_command(world: World, job: dict[str, Any], says: str = "") -> tuple[str, dict[str, Any]]:
    """Run a batch job to its end, its stdout being `says`; gives its client status and last event of an end."""
    httpx.post(f"{world.stack.nomad_addr}/v1/jobs", json={"Job": job}, timeout=60).raise_for_status()
    try:

        def ended() -> dict[str, Any] | None:
            stubs = world.nomad(f"job/{job['ID']}/allocations")
            return next((each for each in stubs if each["ClientStatus"] in ("complete", "failed")), None)

        stub = eventually("the command has ended", ended)
        events = stub["TaskStates"]["t"]["Events"]
        last = next(each for each in reversed(events) if each["Type"] in _ENDS)
        logs = f"{world.stack.nomad_addr}/v1/client/fs/logs/{stub['ID']}?task=t&type=stdout&plain=true"
        # Nomad collects them beside the task, and after its end.
        eventually("its output is there", lambda: not says or httpx.get(logs, timeout=60).text == says)
        return stub["ClientStatus"], last
    finally:
        httpx.delete(
            f"{world.stack.nomad_addr}/v1/job/{job['ID']}", params={"purge": "true"}, timeout=60
        ).raise_for_status()
        (world.stack.components_dir / "tool.wasm").unlink()


@pytest.mark.parametrize("code", [0, 1, 42])
def test_a_command_ends_with_its_exit_code(world: World, code: int) -> None:
    """A task of the short form ends with the guest's own exit code."""
    status, last = run_command(world, command_job(world, f"exit-{code}", {"args": ["exit", str(code)]}))
    assert (status, last["ExitCode"]) == ("failed" if code else "complete", code), last


def test_a_command_gets_arguments_environment_and_directories(world: World) -> None:
    """Arguments, env blocks and a preopened directory reach the guest, and its output reaches Nomad's logs."""
    template = [{"EmbeddedTmpl": "from a template", "DestPath": "local/in/note.txt"}]
    config = {
        "args": ["read", "/data/note.txt"],
        "dir": [{"host": "local/in", "guest": "/data", "readonly": True}],
    }
    run_command(world, command_job(world, "reads", config, Templates=template), "from a template")
    config = {"args": ["env", "WORD"], "env": [{"WORD": "given"}]}
    run_command(world, command_job(world, "env", config), "given\n")
    config = {
        "args": ["write", "/data/new"],
        "dir": [{"host": "local/in", "guest": "/data", "readonly": True}],
    }
    status, last = run_command(world, command_job(world, "writes", config, Templates=template))
    assert (status, last["ExitCode"]) == ("failed", 1)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"module": "../../../../../../etc/passwd"}, "leads out"),
        ({"module": "/etc/passwd"}, "allow_paths"),
        ({"module": "local/none.wasm"}, "No such file"),
        ({"dir": [{"host": "private", "guest": "/p"}]}, "is private"),
        ({"dir": [{"host": ".", "guest": "/"}]}, "is private"),
        ({"digest": "sha256:" + "0" * 64}, "pins"),
        ({"limits": [{"memory_mb": 0}]}, "memory_mb"),
        ({"nonsense": "x"}, "nonsense"),
    ],
)
def test_a_task_that_cannot_start_says_why(world: World, config: dict[str, Any], words: str) -> None:
    """The reason is in the task's event, as Nomad shows it."""
    status, last = run_command(world, command_job(world, "refused", {"args": ["args"], **config}))
    assert status == "failed"
    assert words in last["DisplayMessage"]
