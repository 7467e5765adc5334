"""`up` and `run` as a user runs them, without a cluster."""

from __future__ import annotations

import os
import pty
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import wasmtime

from tests.driver.go_guests import go_guest
from tests.driver.rust_guests import rust_guest
from tests.e2e.cli import PROGRAM, Cli, environment

pytestmark = [pytest.mark.guests, pytest.mark.timeout(300)]

APP = """
[application]
name = "local"

[variables]
word = { default = "none" }
token = { secret = true }

[[trigger.http]]
route = "/..."
component = "local"

[component.local]
source = "local.wasm"
environment = { WORD = "{{ word }}", TOKEN = "{{ token }}" }

[deploy.limits]
timeout = "1s"
"""


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """The tool without a stack."""
    return Cli(tmp_path / "no-stack")


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """An app of one CGI module."""
    directory = tmp_path / "local"
    directory.mkdir()
    (directory / "wasmdeploy.toml").write_text(APP)
    (directory / "local.wasm").write_bytes(go_guest("go-cgi").read_bytes())
    return directory


@contextmanager
def up(app: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`wasmdeploy up` on a free port, and its URL."""
    command = [PROGRAM, "up", app, "--listen", "127.0.0.1:0", *options]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("Serving http://127.0.0.1:"), process.communicate(timeout=10)
        yield process, line.removeprefix("Serving ").strip()
    finally:
        process.kill()
        process.communicate()


def test_up_serves_and_ctrl_c_stops_it(app: Path, tmp_path: Path) -> None:
    """The URL answers as soon as it is printed, variables arrive from the command line, Ctrl-C ends with 0."""
    (tmp_path / "token").write_text("from-file\n")
    options = (
        "--variable",
        "word=given",
        "--variable",
        f"token=@{tmp_path / 'token'}",
        "--guest-env",
        "MORE=more",
    )
    with up(app, *options) as (process, url):
        received = dict(line.split("=", 1) for line in httpx.get(f"{url}/json", timeout=60).json())
        assert (received["WORD"], received["TOKEN"], received["MORE"]) == ("given", "from-file", "more")
        for path, status in (("/panic", 500), ("/loop", 504), ("/", 200)):
            assert httpx.get(url + path, timeout=60).status_code == status
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0


def test_build_compiles_ahead(cli: Cli, app: Path, tmp_path: Path) -> None:
    """What was built needs no compile when it starts."""
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    first, second = (cli("build", app, **env).stderr for _ in range(2))
    assert "compiled in" in first
    assert "compiled in" not in second
    assert len(list((tmp_path / "cache").rglob("*.cwasm"))) == 1


def test_up_says_that_a_port_is_in_use(cli: Cli, app: Path) -> None:
    """One line names the address and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = cli("up", app, "--listen", f"127.0.0.1:{port}", "--variable", "token=x", code=1)
    assert f"error: cannot listen on 127.0.0.1:{port}: Address already in use" in done.stderr


def test_up_asks_for_a_secret_that_it_has_no_value_for(cli: Cli, app: Path) -> None:
    """A secret without a value and without a Vault is one clear error."""
    done = cli("up", app, code=1)
    assert "error: no value for the secret token" in done.stderr


def run(*arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """`wasmdeploy run` with some standard input."""
    return subprocess.run(
        [PROGRAM, "run", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )


def test_run_passes_arguments_streams_and_exit_codes(tmp_path: Path) -> None:
    """Everything after the module is the guest's; its streams and its exit code are the program's own."""
    tool = go_guest("go-tool")
    assert (
        run(tool, "args", "--help", "--", "-x", "", "a b").stdout == '["args" "--help" "--" "-x" "" "a b"]\n'
    )
    assert run(tool, "cat", stdin="in\nput").stdout == "in\nput"
    both = run(tool, "both")
    assert (both.stdout, both.stderr) == ("to stdout\n", "to stderr\n")
    assert [run(tool, "exit", str(code)).returncode for code in (0, 1, 42, 255)] == [0, 1, 42, 255]
    assert run("--env", "WORD=a=b", tool, "env", "WORD").stdout == "a=b\n"
    (tmp_path / "file").write_text("content")
    assert run("--dir", f"{tmp_path}::/in", tool, "read", "/in/file").stdout == "content"
    assert run(tool, "read", str(tmp_path / "file")).returncode == 1


@pytest.mark.parametrize(
    ("closed", "said"), [("<&-", "to stdout\n"), (">&-", ""), ("2>&-", "to stdout\n"), ("<&- >&- 2>&-", "")]
)
def test_run_with_closed_streams(closed: str, said: str) -> None:
    """A stream that the caller closed is empty and swallows all; no other file of the process takes its place."""
    for guest, expected in (("cat", ""), ("both", said)):
        command = ["sh", "-c", f'"$@" {closed}', "sh", PROGRAM, "run", go_guest("go-tool"), guest]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment(), check=False
        )
        assert (done.returncode, done.stdout) == (0, expected), done.stderr
        assert "error" not in done.stderr


def test_run_ends_by_a_signal_as_any_program() -> None:
    """SIGINT, SIGTERM and SIGHUP end a guest that waits, and whoever started it sees which."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        command = [PROGRAM, "run", go_guest("go-tool"), "cat"]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment()
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(b"x")
            process.stdin.flush()
            assert process.stdout.read(1) == b"x"
            process.send_signal(number)
            assert process.wait(timeout=60) == -number


def test_run_on_a_terminal() -> None:
    """A guest reads a terminal line by line, until Ctrl-D."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [PROGRAM, "run", go_guest("go-tool"), "cat"],
        stdin=theirs, stdout=subprocess.PIPE, env=environment(), start_new_session=True,
    ) as process:  # fmt: skip
        os.write(ours, b"a line\n\x04")
        assert process.stdout is not None
        assert process.stdout.read() == b"a line\n"
        assert process.wait(timeout=60) == 0
    os.close(ours)
    os.close(theirs)


def test_run_takes_components(tmp_path: Path) -> None:
    """A wasi:cli/run component gets its arguments; failure is 1, a trap 134 with wasm's backtrace."""
    tool = rust_guest("rust-cli")
    assert run(tool, "a", "--b").stdout == '["a", "--b"]\n'
    assert run(tool, "fail").returncode == 1
    trapped = run(tool, "trap")
    assert trapped.returncode == 134
    assert "wasm backtrace:" in trapped.stderr
    assert "unreachable" in trapped.stderr


def test_run_ends_with_134_and_a_backtrace_after_a_trap(tmp_path: Path) -> None:
    """A trap of a core module is the status of an abort."""
    module = tmp_path / "trap.wasm"
    text = (
        '(module (memory (export "memory") 1) (func $inner unreachable) (func (export "_start") call $inner))'
    )
    module.write_bytes(bytes(wasmtime.wat2wasm(text)))
    done = run(module)
    assert done.returncode == 134
    assert "inner" in done.stderr
    assert "unreachable" in done.stderr


def test_run_refuses_what_is_no_program(tmp_path: Path) -> None:
    """A file that cannot be run is one clear error."""
    other = tmp_path / "other.wasm"
    other.write_bytes(b"\x7fELF")
    done = run(other)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: {other}")
    assert "is not a WebAssembly file" in done.stderr
