"""`nomad alloc exec` and script checks on the real stack: the app's console, as an operator meets it."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import termios
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.driver.go_guests import go_guest
from tests.e2e.cli import PROGRAM, environment
from tests.e2e.world import World, eventually
from tests.stack import build

pytestmark = [pytest.mark.stack, pytest.mark.guests, pytest.mark.timeout(600)]

NAME = "console"
SECRET = "a secret that no console shows"


@pytest.fixture(scope="module")
def allocation(world: World) -> Iterator[str]:
    """A running app with a secret and three script checks; its allocation's id."""
    world.put_secret(f"default/{NAME}", token=SECRET)
    source = world.stack.components_dir / "console.wasm"
    source.write_bytes(go_guest("go-cgi").read_bytes())
    httpx.post(
        f"{world.stack.nomad_addr}/v1/jobs", json={"Job": job(str(source))}, timeout=60
    ).raise_for_status()
    try:
        yield eventually("the app runs", lambda: running(world), 120)
    finally:
        httpx.delete(
            f"{world.stack.nomad_addr}/v1/job/{NAME}", params={"purge": "true"}, timeout=60
        ).raise_for_status()
        source.unlink()


def job(source: str) -> dict[str, Any]:
    checks = [
        {"Type": "script", "Name": name, "Command": "invoke", "Args": ["GET", path], "Interval": 10**9,
         "Timeout": 20 * 10**9, "TaskName": "web"}
        for name, path in (("passes", "/"), ("warns", "/teapot"), ("fails", "/fail"))
    ]  # fmt: skip
    return {
        "ID": NAME, "Type": "service", "Datacenters": ["*"],
        "TaskGroups": [{
            "Name": "g", "Networks": [{"DynamicPorts": [{"Label": "http"}]}],
            "Services": [{"Name": NAME, "PortLabel": "http", "TaskName": "web", "Checks": checks}],
            "Tasks": [{
                "Name": "web", "Driver": "wasm", "Vault": {}, "Resources": {"CPU": 200, "MemoryMB": 200},
                "Config": {
                    "app": NAME, "http": [{"port": "http"}],
                    "component": [{"web": [{"source": source, "route": ["/..."],
                                            "dir": [{"host": "local", "guest": "/data"}]}]}],
                    "variable": [{"token": [{"secret": True}], "color": [{"value": "green"}]}],
                },
            }],
        }],
    }  # fmt: skip


def running(world: World) -> str:
    stubs = world.nomad(f"job/{NAME}/allocations") or []
    failed = [each for each in stubs if each["ClientStatus"] == "failed"]
    assert not failed, failed
    return next((str(each["ID"]) for each in stubs if each["ClientStatus"] == "running"), "")


def command(world: World, allocation: str, *words: str) -> list[str]:
    nomad = shutil.which("nomad") or str(build.cache_dir() / "nomad")
    return [nomad, "alloc", "exec", f"-address={world.stack.nomad_addr}", *words[:1], allocation, *words[1:]]


def nomad_exec(
    world: World, allocation: str, *words: str, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    line = command(world, allocation, "-t=false", *words)
    return subprocess.run(line, input=stdin, capture_output=True, text=True, timeout=120, check=False)


def test_a_command(world: World, allocation: str) -> None:
    """Output, errors and the exit code come back as they are."""
    done = nomad_exec(world, allocation, "/bin/sh", "-c", "invoke GET /; echo oh >&2; exit 43")
    assert (done.returncode, done.stdout, done.stderr) == (43, "hello from Go\n", "oh\n")
    assert nomad_exec(world, allocation, "nonsense").returncode == 127
    assert nomad_exec(world, allocation, "head", "-n1", stdin="first\nsecond\n").stdout == "first\n"
    assert nomad_exec(world, allocation, "sh", stdin="echo a\nexit 5\necho b\n").stdout == "a\n"


def test_secrets_and_the_machine_stay_out(world: World, allocation: str) -> None:
    """Neither a secret's value nor anything of the machine's comes out of the console."""
    done = nomad_exec(world, allocation, "variables")
    assert done.stdout == "color = green\ntoken = [redacted]\n"
    for line in (
        "cat /etc/passwd",
        "cat /secrets/vault_token",
        "cat /data/../private/vault_token",
        "ls /proc",
        "env",
    ):
        done = nomad_exec(world, allocation, "/bin/sh", "-c", line)
        assert done.returncode != 0, line
        assert done.stdout == "", line


def test_our_own_command(world: World, allocation: str) -> None:
    """`wasmdeploy exec` finds the instance itself: streams and exit code are the line's, or one object."""
    exec_ = ("exec", "--app", NAME)
    done = world.cli(*exec_, "invoke GET /; echo oh >&2; exit 43", code=43)
    assert (done.stdout, done.stderr) == ("hello from Go\n", "oh\n")
    assert world.cli(*exec_, "--", "invoke", "-i", "GET", "/").stdout.startswith("200")
    assert world.cli(*exec_, "nonsense", code=127).stdout == ""
    said = json.loads(world.cli(*exec_, "--instance", allocation[:8], "--json", "routes").stdout)
    assert (said["instance"], said["stderr"], said["exit_code"]) == (allocation, "", 0)
    assert "/..." in said["stdout"]
    piped = subprocess.run(
        [PROGRAM, *exec_, "head -n1"], input="first\nsecond\n", env=own(world), capture_output=True, text=True,
        timeout=120, check=True,
    )  # fmt: skip
    assert piped.stdout == "first\n"
    assert "these run: " in world.cli(*exec_, "--instance", "nope", "routes", code=1).stderr
    assert "--json wants a line" in world.cli(*exec_, "--json", code=2).stdout


def own(world: World) -> dict[str, str]:
    return environment(WASMDEPLOY_STACK_DIR=str(world.stack.data_dir))


@pytest.mark.parametrize("which", ["nomad", "wasmdeploy"])
def test_a_terminal(world: World, allocation: str, which: str) -> None:
    """With a terminal there is a prompt that edits lines; leaving it ends the console."""
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    line = {
        "nomad": command(world, allocation, "-t=true", "/bin/bash"),
        "wasmdeploy": [str(PROGRAM), "exec", "--app", NAME],
    }[which]
    process = subprocess.Popen(
        line, stdin=theirs, stdout=theirs, stderr=theirs, env=own(world), start_new_session=True
    )
    shown = b""

    def sees(words: bytes) -> bool:
        nonlocal shown
        shown += os.read(ours, 65536)
        return words in shown

    try:
        eventually("there is a prompt", lambda: sees(b"console>"), 60)
        os.write(ours, b"echo one twx\x7fo\x1b[D\x1b[C\r")
        eventually("the line is edited and run", lambda: sees(b"\r\none two\r\n"), 60)
        os.write(ours, b"exit 6\r")
        assert process.wait(60) == 6
        assert termios.tcgetattr(theirs) == before
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)


def test_script_checks(world: World, allocation: str) -> None:
    """Consul sees an app that answers as passing, its 4xx as a warning and its 5xx as critical, with the output."""

    def found() -> dict[str, tuple[str, str]]:
        # The agent has each check's last output; the catalog gets one that changes nothing else minutes later.
        checks = httpx.get(f"{world.stack.consul_addr}/v1/agent/checks", timeout=60).json().values()
        mine = [each for each in checks if each["ServiceName"] == NAME]
        return {each["Name"]: (each["Status"], each["Output"].strip()) for each in mine}

    wanted = {
        "passes": ("passing", "hello from Go"),
        "warns": ("warning", "short and stout"),
        "fails": ("critical", "the app failed"),
    }
    eventually("the checks have run", lambda: found() == wanted, 60)
