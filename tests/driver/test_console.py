"""The console of a real app, opened over the control socket as the plugin does."""

import asyncio
import contextlib
import os
import re
import signal
import socket
from pathlib import Path

import psutil
import pytest

from tests.driver.executor_process import Executor, app, until
from tests.driver.go_guests import go_guest
from tests.driver.guests import wat
from wasmdeploy_driver.console.app import APP
from wasmdeploy_driver.console.command import Place
from wasmdeploy_driver.console.streams import Streams
from wasmdeploy_driver.errors import ConfigError, ExecutorError
from wasmdeploy_driver.executor import control
from wasmdeploy_driver.executor.launch import Launch
from wasmdeploy_driver.runner import exec as console
from wasmdeploy_driver.task import Dir, Task, Variable

pytestmark = pytest.mark.guests
SPIN = '(module (memory (export "memory") 1) (func (export "_start") (loop (br 0))))'


@pytest.fixture(scope="module")
def serving(tmp_path_factory):
    """An app with a plain variable and one that looks like a terminal's command, and modules to run."""
    directory = tmp_path_factory.mktemp("console")
    spin = directory / "spin.wasm"
    spin.write_bytes(wat(SPIN))
    plain = app(go_guest())
    task = Task(
        plain.app, component=plain.component, http=plain.http, limits=plain.limits,
        variable=(Variable("color", "green\x1b[2J"), Variable("empty", "")),
    )  # fmt: skip
    with Executor(directory, task, go_guest(), go_guest("go-tool"), spin) as executor:
        (executor.task_dir / go_guest("go-tool").name).rename(executor.task_dir / "tool.wasm")
        (executor.task_dir / "private").mkdir()
        (executor.task_dir / "private" / "vault_token").write_text("a token")
        yield executor.start()


async def opened(executor, command, inputs, tty, outputs):
    async def given():
        for each in inputs:
            yield each

    async def keep(stream, data):
        outputs[stream] += data

    return await console.run(executor.state, command, tty=tty, inputs=given(), output=keep)


def run(executor, *command, inputs=(None,), tty=False):
    """The exit code, stdout and stderr of a console."""
    outputs = {"stdout": b"", "stderr": b""}
    code = asyncio.run(opened(executor, command, inputs, tty, outputs))
    return code, outputs["stdout"].decode(), outputs["stderr"].decode()


def consoles(executor):
    """The open ones."""
    found = []
    for each in psutil.Process(executor.process.pid).children():
        with contextlib.suppress(psutil.Error):
            if "wasmdeploy_driver.console" in each.cmdline():
                found.append(each)
    return found


def busy(executor):
    """Whether a module runs in one."""
    with contextlib.suppress(psutil.Error):
        return any(each.children() for each in consoles(executor))
    return False


def test_variables_cannot_move_the_cursor(serving):
    """What a job says is shown without control characters."""
    assert run(serving, "variables")[:2] == (0, "color = green�[2J\nempty = \n")


def test_secrets_stay_hidden(tmp_path):
    """A secret's value is nowhere in the console, which never had it."""
    secret = Task("job", module="spin.wasm", variable=(Variable("token", secret=True),))
    (tmp_path / "spin.wasm").write_bytes(wat(SPIN))
    executor = Executor(tmp_path, secret, tmp_path / "spin.wasm")
    with executor, pytest.raises(ExecutorError, match="does not run"):
        run(executor, "variables")
    launch = Launch.from_json((executor.state / control.LAUNCH).read_text())
    said = []

    class Said(Streams):
        def say(self, text):
            said.append(text)

    next(each for each in APP if each.name == "variables").run(Place(launch, executor.state), Said(), ())
    assert said == ["token = [redacted]"]


def test_invoke(serving):
    """Method, headers and body go out; status, headers and body come back."""
    assert run(serving, "invoke", "GET", "/") == (0, "hello from Go\n", "")
    code, stdout, _ = run(serving, "invoke", "-i", "post", "/echo", "-d", "a b", "-H", "X-One: 1")
    assert (code, stdout.splitlines()[0], stdout.splitlines()[-1]) == (0, "200 OK", "a b")
    assert (
        run(serving, "invoke", "POST", "/echo", "-d", "@-", inputs=(b"x" * 300_000, None))[1] == "x" * 300_000
    )
    assert run(serving, "invoke", "GET", "/teapot")[0] == 1
    assert run(serving, "invoke", "GET", "/panic")[0] == 2
    for words in (("GET",), ("GET", "no-slash"), ("GET", "/", "-d"), ("G T", "/"), ("GET", "/a b")):
        assert run(serving, "invoke", *words)[0] in (1, 2), words


def test_files(serving):
    """`ls` and `cat` show what the guests see."""
    shown = serving.task_dir / "data" / "shown"
    (shown / "dir").mkdir(parents=True)
    (shown / "dir" / "note").write_text("words\n")
    (shown / "esc\x1b[2J").touch()
    assert run(serving, "ls")[:2] == (0, "data/\n")
    assert run(serving, "ls", "/data/shown")[1] == "dir/\nesc�[2J\n"
    assert re.fullmatch(r"-rw\S+ +6 note\n", run(serving, "ls", "-l", "/data/shown/dir")[1])
    assert run(serving, "cat", "/data/shown/dir/note", "data/shown/dir/./note")[1] == "words\nwords\n"


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "/data/../private/vault_token", "../private/vault_token", "/private/vault_token",
     "/proc/self/environ", "/data/link", "/data/linked/hosts", "/data/fifo", "/data/socket", "/data/dir",
     "/data", "/", "/data/\0"],
)  # fmt: skip
def test_files_that_no_guest_sees(serving, path):
    """No way leads out of the directories of the job: no `..`, no link, no FIFO that would hang, no socket."""
    data = serving.task_dir / "data"
    (data / "dir").mkdir(exist_ok=True)
    if not (data / "link").is_symlink():
        (data / "link").symlink_to(serving.task_dir / "private" / "vault_token")
        (data / "linked").symlink_to("/etc")
        os.mkfifo(data / "fifo")
        with socket.socket(socket.AF_UNIX) as made, control.short_path(data, "socket") as name:
            made.bind(name)
    code, stdout, stderr = run(serving, "cat", path)
    assert (code, stdout) == (1, "")
    assert stderr.count("\n") == 1


def test_run(serving):
    """A module runs with the app's directories, its own arguments, streams and exit code."""
    assert run(serving, "run", "tool.wasm", "args", "a b")[:2] == (0, '["args" "a b"]\n')
    assert run(serving, "run", "tool.wasm", "exit", "42")[0] == 42
    assert run(serving, "run", "tool.wasm", "cat", inputs=(b"in\n", None))[1] == "in\n"
    assert run(serving, "run", "tool.wasm", "write", "/data/made")[0] == 0
    assert (serving.task_dir / "data" / "made").read_text() == "written"
    assert run(serving, "sh", "-c", "run tool.wasm both >&2")[1:] == ("", "to stdout\nto stderr\n")


@pytest.mark.parametrize(
    "module", ["../task/tool.wasm", "/bin/true", "private/vault_token", "data", "absent.wasm", ""]
)
def test_run_of_what_is_no_module_of_the_task(serving, module):
    """Nothing else is run."""
    code, stdout, stderr = run(serving, "run", module)
    assert (code != 0, stdout, stderr != "") == (True, "", True)


def test_terminal(serving):
    """With a terminal there is a prompt, editing and history; sizes arrive; the exit code is the last one's."""
    typed = (b"echo a b\x1b[D\x1b[DX\n", b"\x1b[A\n", b"stty size\nnonsense\nexit\n")
    code, stdout, _ = run(serving, "/bin/bash", inputs=((50, 40), (24, 80), *typed), tty=True)
    assert code == 127
    assert stdout.count("\r\naX b\r\n") == 2
    assert "\r\n24 80\r\n" in stdout


def test_terminal_is_interrupted(serving):
    """Ctrl-C ends the guest that runs, and not the console."""

    async def drive():
        outputs = {"stdout": b"", "stderr": b""}
        typed: asyncio.Queue[object] = asyncio.Queue()

        async def given():
            while (each := await typed.get()) != "end":
                yield each

        async def keep(stream, data):
            outputs[stream] += data

        running = asyncio.create_task(
            console.run(serving.state, ["/bin/sh"], tty=True, inputs=given(), output=keep)
        )
        typed.put_nowait(b"run spin.wasm\n")
        while not busy(serving):
            await asyncio.sleep(0.02)
        while b"spin.wasm\r\n" not in outputs["stdout"]:
            await asyncio.sleep(0.02)
        typed.put_nowait(b"\x03")
        typed.put_nowait(b"echo still here; exit 5\n")
        return await running, outputs["stdout"]

    code, stdout = asyncio.run(asyncio.wait_for(drive(), 60))
    assert code == 5
    assert b"\r\nstill here\r\n" in stdout


@pytest.mark.parametrize("tty", [False, True])
def test_console_ends_with_its_caller(serving, tty):
    """A caller that leaves ends the console and what runs in it, also with input that nobody reads."""

    async def leave():
        opening = asyncio.create_task(
            opened(serving, ["run", "spin.wasm"], (b"x" * 4_000_000,), tty, {"stdout": b"", "stderr": b""})
        )
        while not busy(serving):
            await asyncio.sleep(0.02)
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)

    asyncio.run(asyncio.wait_for(leave(), 60))
    until(lambda: not consoles(serving))
    assert serving.request("/")[0] == 200


def test_console_is_bounded(serving):
    """A task has a few at a time, and tells the next that there are no more."""

    async def many():
        outputs = {"stdout": b"", "stderr": b""}
        first = [asyncio.create_task(opened(serving, ["sleep", "60"], (), False, outputs)) for _ in range(8)]
        while len(consoles(serving)) < 8:
            await asyncio.sleep(0.02)
        with pytest.raises(ExecutorError, match="8 consoles"):
            await opened(serving, ["help"], (), False, outputs)
        for each in first:
            each.cancel()
        await asyncio.gather(*first, return_exceptions=True)

    asyncio.run(asyncio.wait_for(many(), 60))
    until(lambda: not consoles(serving))


def test_console_goes_first_when_memory_runs_out(serving):
    """The kernel is told to take a console before any guest."""

    async def look():
        opening = asyncio.create_task(opened(serving, ["sleep", "60"], (), False, {}))
        while not consoles(serving):
            await asyncio.sleep(0.02)
        file = Path(f"/proc/{consoles(serving)[0].pid}/oom_score_adj")
        while file.read_text().strip() != "1000":
            await asyncio.sleep(0.02)
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)

    asyncio.run(asyncio.wait_for(look(), 60))


@pytest.mark.parametrize("command", [None, "help", [1], {"a": 1}])
def test_a_command_that_is_none(serving, command):
    """A request without a list of words is refused, and the app goes on."""
    with pytest.raises(ConfigError):
        serving.call("exec", command=command)
    assert serving.request("/")[0] == 200


def test_directories_of_a_command(tmp_path):
    """A command's console sees the command's directories, and has no app to ask."""
    (tmp_path / "spin.wasm").write_bytes(wat(SPIN))
    task = Task("job", module="spin.wasm", dir=(Dir("data", "/deep/er"),))
    with Executor(tmp_path, task, tmp_path / "spin.wasm") as executor:
        executor.start()
        assert run(executor, "ls", "/deep")[1] == "er/\n"
        assert run(executor, "ls", "/deep/er")[:2] == (0, "")
        assert run(executor, "invoke", "GET", "/")[0] == 1
        assert "is a command" in run(executor, "routes")[1]
        executor.process.send_signal(signal.SIGTERM)
        executor.exit()
