import contextlib
import http.client
import json
import os
import random
import shutil
import socket
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.driver.executor_process import PATIENCE, Executor, app, until
from tests.driver.go_guests import go_guest
from tests.driver.guests import wat
from tests.driver.mutations import bytes_of
from wasmdeploy_driver.app.app import HEALTH
from wasmdeploy_driver.errors import ConfigError, ExecutorError, GuestError, SecretError
from wasmdeploy_driver.executor import control
from wasmdeploy_driver.executor.launch import VaultServer
from wasmdeploy_driver.task import Component, Http, Limits, Task, Variable

pytestmark = pytest.mark.guests

ENDED = {"signal": 0, "oom_killed": False, "error": ""}
COMMAND = """(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\\10\\00\\00\\00\\04\\00\\00\\00\\14\\00\\00\\00\\04\\00\\00\\00out\\nerr\\n")
  (func (export "_start")
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 100)))
    (drop (call $write (i32.const 2) (i32.const 8) (i32.const 1) (i32.const 100)))
    %s))"""


@pytest.fixture
def serving(tmp_path):
    """An executor that serves the Go guest."""
    with Executor(
        tmp_path, app(go_guest(), timeout="1s", args=("x",), environment={"A": "b"}), go_guest()
    ) as executor:
        yield executor.start()


def command(tmp_path, end, **parts):
    """An executor of a command that prints to both streams, then does `end`."""
    module = tmp_path / "command.wasm"
    module.write_bytes(wat(COMMAND % end))
    return Executor(tmp_path, Task("job", module="command.wasm", limits=Limits(timeout="0"), **parts), module)


def tool(tmp_path, *args, **parts):
    """An executor of the tool guest, whose `local` directory is /local."""
    task = Task("job", module=go_guest("go-tool").name, args=args, limits=Limits(timeout="0"), **parts)
    executor = Executor(tmp_path, task, go_guest("go-tool"))
    (executor.task_dir / "local").mkdir(exist_ok=True)
    return executor


def test_a_command_reads_its_input(tmp_path):
    """The file that `stdin` names is the command's standard input, to its end."""
    content = random.Random(1).randbytes(1 << 20)
    with tool(tmp_path, "cat", stdin="local/payload") as executor:
        (executor.task_dir / "local" / "payload").write_bytes(content)
        executor.start()
        assert executor.exit() == {"exit_code": 0, **ENDED}
        assert executor.stdout.read_bytes() == content


@pytest.mark.parametrize(
    ("path", "words"),
    [("../other", "leads out"), ("/etc/passwd", "leads out"), ("private/vault_token", "is private"),
     ("local", "no regular file"), ("local/none", "No such file"),
     ("local/link", "symbolic link"), ("local/fifo", "no regular file")],
)  # fmt: skip
def test_an_input_leads_nowhere_else(tmp_path, path, words):
    """What is no file of the task's own, or is a trap that a neighbour set, is refused at the start."""
    with tool(tmp_path, "cat", stdin=path) as executor:
        (executor.task_dir / "local" / "link").symlink_to("/etc/passwd")
        os.mkfifo(executor.task_dir / "local" / "fifo")
        with pytest.raises(ConfigError, match=words):
            executor.start()


def raw(executor, line):
    """Send bytes to the control socket; gives all that comes back."""
    with socket.socket(socket.AF_UNIX) as connection, control.short_path(executor.state) as path:
        connection.settimeout(PATIENCE)
        connection.connect(path)
        try:
            connection.sendall(line)
            connection.shutdown(socket.SHUT_WR)
            with connection.makefile("rb") as answer:
                return answer.read()
        except (BrokenPipeError, ConnectionResetError):  # it was not read to its end
            return b""


def test_it_serves(serving):
    """A started app answers requests with body, environment, arguments and status."""
    assert serving.request("/")[::2] == (200, b"hello from Go\n")
    assert serving.request("/echo", "POST", b"body" * 1000)[2] == b"body" * 1000
    assert b"A=b" in serving.request("/env")[2].splitlines()
    assert serving.request("/args")[2] == b'["/args" "x"]\n'
    assert serving.request("/teapot")[0] == 418
    status, headers, _ = serving.request("/moved")
    assert (status, headers["location"]) == (302, "/elsewhere")


def test_the_answer_to_head(serving):
    """The answer to HEAD has the headers of GET and no body, and claims no length of its own."""
    status, headers, body = serving.request("/", "HEAD")
    assert (status, body, headers["content-type"]) == (200, b"", "text/plain")
    assert headers.get("content-length") in (None, "14")


@pytest.mark.parametrize(
    ("path", "status"), [("/panic", 500), ("/fail", 500), ("/nothing", 500), ("/split", 500), ("/loop", 504)]
)
def test_a_failing_guest_fails_one_request(serving, path, status):
    """A trap, a bad exit, nonsense or a loop is an error for its own request; the next one is answered."""
    assert serving.request(path)[0] == status
    assert serving.request("/")[0] == 200
    assert serving.call("inspect")["failures"] == 1


def test_a_flood_takes_no_memory(serving):
    """A guest that writes without end is read as fast as its client takes it, and ends when the client has gone."""
    client = http.client.HTTPConnection(*serving.address, timeout=PATIENCE)
    client.request("GET", "/flood")
    answer = client.getresponse()
    assert sum(len(answer.read(1 << 20)) for _ in range(100)) == 100 << 20
    status = Path(f"/proc/{serving.process.pid}/status").read_text()
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    assert peak < 300_000
    answer.close()
    client.close()
    until(lambda: serving.call("inspect")["in_flight"] == 0)
    assert serving.request("/echo", "POST", b"after")[2] == b"after"


def test_inspect(serving):
    """A running app tells its state, address, components and counters; a CGI program runs in a process."""
    serving.request("/")
    host, port = serving.address
    assert serving.call("inspect") == {
        "pid": serving.process.pid, "state": "running", "listen": f"{host}:{port}", "components": ["web"],
        "requests": 1, "failures": 0, "in_flight": 0, "processes": 2,
    }  # fmt: skip


def test_stop(serving):
    """A stopped app ends with 0, also while a client keeps an idle connection."""
    idle = http.client.HTTPConnection(*serving.address, timeout=PATIENCE)
    idle.request("GET", "/")
    idle.getresponse().read()
    assert serving.call("stop", timeout=30.0) == {}
    assert serving.exit() == {"exit_code": 0, **ENDED}
    idle.close()


class Sender(threading.Thread):
    """Sends one POST after the other until it is told to stop, as a proxy does: over a connection while it is kept."""

    def __init__(self, executor):
        super().__init__()
        self.executor, self.done, self.statuses = executor, threading.Event(), []
        self.start()

    def run(self):
        connection = http.client.HTTPConnection(*self.executor.address, timeout=PATIENCE)
        with contextlib.closing(connection):
            while not self.done.wait(0.02):
                try:
                    connection.request("POST", "/", b"body")  # connects anew behind an answer with `close`
                    with connection.getresponse() as answer:
                        answer.read()
                        self.statuses.append(answer.status)
                except (http.client.HTTPException, OSError) as error:
                    self.statuses.append(repr(error))
                    return


def test_stop_answers_who_does_not_know_yet(tmp_path):
    """Requests that come after the stop are answered, on kept and on new connections, until no more come."""
    with Executor(tmp_path, app(go_guest()), go_guest()) as executor:
        executor.start()
        senders = [Sender(executor) for _ in range(3)]
        until(lambda: all(len(each.statuses) > 2 for each in senders))
        with ThreadPoolExecutor() as caller:
            stopped = caller.submit(executor.call, "stop", timeout=PATIENCE)
            until(lambda: executor.request(HEALTH)[0] == 503)
            more = {each: len(each.statuses) + 5 for each in senders}
            until(lambda: all(len(each.statuses) > count for each, count in more.items()))
            assert not stopped.done()
            for each in senders:
                each.done.set()
            assert stopped.result() == {}
        for each in senders:
            each.join()
        assert {status for each in senders for status in each.statuses} == {200}
        assert executor.exit() == {"exit_code": 0, **ENDED}


def test_stop_does_not_wait_for_who_never_leaves(tmp_path):
    """However long requests go on to come, half of the time is for those under way."""
    with Executor(tmp_path, app(go_guest()), go_guest()) as executor:
        executor.start()
        sender = Sender(executor)
        until(lambda: sender.statuses)
        assert executor.call("stop", timeout=2.0) == {}
        sender.join()
        assert set(sender.statuses[:-1]) == {200}
        assert sender.statuses[-1] != 200
        assert executor.exit() == {"exit_code": 0, **ENDED}


def refuses(executor):
    """Whether a new connection is refused."""
    try:
        executor.request(HEALTH)
    except ConnectionError:
        return True
    return False


def test_stop_drains(tmp_path):
    """A stopped app takes no new requests, answers the one in flight, and tells whoever asked for the stop."""
    with Executor(tmp_path, app(go_guest()), go_guest()) as executor:
        executor.start()
        with ThreadPoolExecutor() as clients:
            answer = clients.submit(executor.request, "/wait")
            until((executor.task_dir / "data" / "waiting").exists)
            stopped = [clients.submit(executor.call, "stop", timeout=PATIENCE) for _ in range(2)]
            until(lambda: "stopping" in executor.log())
            until(lambda: refuses(executor))
            (executor.task_dir / "data" / "go").touch()
            assert answer.result()[::2] == (200, b"waited\n")
            assert [each.result() for each in stopped] == [{}, {}]
        assert executor.exit() == {"exit_code": 0, **ENDED}


def test_guests_that_are_blocked_cost_their_requests_only(tmp_path):
    """Each client of a blocked guest is answered in time, and everybody else as ever."""
    with Executor(tmp_path, app(go_guest(), timeout="2s"), go_guest()) as executor:
        executor.start()
        with ThreadPoolExecutor(12) as clients:
            blocked = [clients.submit(executor.request, "/nap") for _ in range(12)]
            assert executor.request("/")[0] == 200
            assert [each.result()[::2] for each in blocked] == [(504, b"the app took too long\n")] * 12
        until(lambda: executor.call("inspect")["in_flight"] == 0)  # none of them is blocked any more
        assert executor.request("/")[0] == 200
        assert executor.call("inspect")["failures"] == 12


def test_a_process_that_dies_costs_its_request_only(tmp_path):
    """When an engine process is killed, its request fails, and another takes its place."""
    with Executor(tmp_path, app(go_guest()), go_guest()) as executor:
        executor.start()
        with ThreadPoolExecutor(2) as clients:
            naps = [clients.submit(executor.request, "/nap") for _ in range(2)]
            until(lambda: executor.call("inspect")["processes"] == 3)
            assert executor.request("/")[0] == 200
            killed = executor.engines()
            for engine in killed:
                engine.kill()
            # What one that still dies was given has failed with it, and may have run.
            until(lambda: not any(engine.is_running() for engine in killed))
            until(lambda: any(nap.done() for nap in naps))
            failed = next(nap for nap in naps if nap.done())
            assert failed.result()[0] == 500
            assert executor.request("/")[0] == 200
            executor.terminate()


def test_a_stem_that_dies_is_replaced(tmp_path):
    """Without its stem an app goes on, and a new one makes its processes."""
    with Executor(tmp_path, app(go_guest(), timeout="2s"), go_guest()) as executor:
        executor.start()
        executor.stem().kill()
        with ThreadPoolExecutor(2) as clients:
            naps = [clients.submit(executor.request, "/nap") for _ in range(2)]
            until(lambda: executor.call("inspect")["in_flight"] == 2)
            assert executor.request("/")[0] == 200
            assert [nap.result()[0] for nap in naps] == [504, 504]


def test_idle_engines_are_told_by_their_front(tmp_path):
    """No process of an app outlives its executor, whatever happened to that."""
    with Executor(tmp_path, app(go_guest()), go_guest()) as executor:
        executor.start()
        with ThreadPoolExecutor(2) as clients:
            naps = [clients.submit(executor.request, "/nap") for _ in range(2)]
            until(lambda: executor.call("inspect")["processes"] == 3)
            assert executor.request("/")[0] == 200
            family = [executor.stem(), *executor.engines()]
            executor.process.kill()
            assert all(isinstance(nap.exception(), (http.client.HTTPException, OSError)) for nap in naps)
        until(lambda: not any(each.is_running() for each in family))


def test_stop_has_an_end(tmp_path):
    """A request that does not end in time is given up."""
    with Executor(tmp_path, app(go_guest(), timeout="0"), go_guest()) as executor:
        executor.start()
        with ThreadPoolExecutor() as clients:
            answer = clients.submit(executor.request, "/loop")
            until(lambda: executor.call("inspect")["in_flight"])
            executor.call("stop", timeout=0.1)
            assert executor.exit() == {"exit_code": 0, **ENDED}
            assert isinstance(answer.exception(), (http.client.HTTPException, OSError))


def test_sigterm(serving):
    """SIGTERM stops an app like a stop call."""
    serving.terminate()
    assert serving.exit() == {"exit_code": 0, **ENDED}


def test_events(serving):
    """A listener hears of failures, and of the end."""
    with socket.socket(socket.AF_UNIX) as connection, control.short_path(serving.state) as path:
        connection.connect(path)
        connection.sendall(b'{"call":"events"}\n')
        serving.call("inspect")  # a later call is answered after the listener was taken on
        serving.request("/fail")
        serving.call("stop", timeout=1.0)
        with connection.makefile("rb") as answer:
            lines = [json.loads(line) for line in answer]
    assert lines[0] == {"event": "trap", "detail": "GET /fail: the guest ended with exit code 3"}
    assert lines[-1] == {"ok": {}}


def test_a_listener_that_leaves_is_let_go(serving):
    """Listeners that went away hold no descriptors."""
    descriptors = Path(f"/proc/{serving.process.pid}/fd")
    before = len(list(descriptors.iterdir()))
    for _ in range(20):
        raw(serving, b'{"call":"events"}\n')
    until(lambda: len(list(descriptors.iterdir())) <= before + 2)


def test_a_deaf_listener_holds_up_nothing(serving):
    """A listener that never reads cannot keep the app from answering or ending."""
    with socket.socket(socket.AF_UNIX) as deaf, control.short_path(serving.state) as path:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        deaf.connect(path)
        deaf.sendall(b'{"call":"events"}\n')
        serving.call("inspect")
        for _ in range(400):
            raw(serving, b'{"call":"signal","name":"%s"}\n' % (b"S" * 3000))
        serving.call("stop", timeout=1.0)
        assert serving.exit()["exit_code"] == 0


@pytest.mark.parametrize(
    "line",
    [
        b"", b"\n", b"{", b"nonsense\n", b"[]\n", b"{}\n", b'"start"\n', b"\xff\xfe\n", b'{"call": 5}\n',
        b'{"call": "fly"}\n',
        b"[" * 100_000 + b"\n", b"x" * (2 << 20),
        b'{"call": "stop", "timeout": "soon"}\n', b'{"call":"stop","timeout":NaN}\n',
        b'{"call": "stop", "timeout": null}\n', b'{"call": "stop", "timeout": [1]}\n',
        b'{"call": "stop", "timeout": -1}\n',
        b'{"call": "stop", "timeout": 1' + b"0" * 400 + b"}\n",
    ],
    ids=lambda line: line[:24].decode(errors="replace").strip() or "nothing",
)  # fmt: skip
def test_broken_lines(tmp_path, line):
    """A broken line harms nobody but its sender."""
    with Executor(tmp_path, Task(module="none.wasm")) as executor:
        answer = raw(executor, line)
        assert not answer or b'"error"' in answer
        assert executor.call("inspect")["state"] == "starting"
        assert "Traceback" not in executor.log()


def test_damaged_frames(serving):
    """200 seeded mutations of calls: each is answered with one line or not at all, and the app goes on."""
    chance = random.Random(7)
    calls = [
        {"call": "inspect"}, {"call": "signal", "name": "SIGHUP"}, {"call": "exec", "command": ["help"], "tty": False},
        {"call": "events"}, {"call": "start", "vault_token": "x"},
    ]  # fmt: skip
    for number in range(200):
        answer = raw(serving, bytes_of(chance, control.encode_line(calls[number % len(calls)])))
        for line in answer.splitlines(keepends=True):
            control.decode_line(line)
    assert serving.request("/")[::2] == (200, b"hello from Go\n")
    assert serving.call("inspect")["state"] == "running"
    assert "Traceback" not in serving.log()


@pytest.fixture
def namespace(tmp_path):
    """A network namespace that is alone with its loopback interface, which is down; the path of it."""
    holder = subprocess.Popen(
        ["unshare", "--net", "sh", "-c", "echo made; exec cat"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    if holder.stdout.readline() != b"made\n":
        pytest.skip("no network namespace can be made here")
    yield f"/proc/{holder.pid}/ns/net"
    holder.stdin.close()
    holder.stdout.close()
    holder.wait()


def test_an_executor_whose_state_is_gone_ends(tmp_path):
    """One that a killed plugin has left is forgotten with its directory, and still ends when its time comes."""
    with Executor(tmp_path, app(go_guest()), go_guest()) as executor:
        shutil.rmtree(executor.state)
        executor.terminate()
        assert executor.process.wait(PATIENCE) == 0


def test_a_network_namespace(tmp_path, namespace):
    """The executor, its stem and every thread are in the task's namespace, and it has a loopback, before anything
    listens.
    """
    with Executor(tmp_path, app(go_guest()), go_guest(), netns=namespace) as executor:
        executor.start()
        inode = os.stat(namespace).st_ino  # noqa: PTH116
        assert inode != Path("/proc/self/ns/net").stat().st_ino
        for process in (executor.process.pid, executor.stem().pid):
            for thread in Path(f"/proc/{process}/task").iterdir():
                assert (thread / "ns" / "net").stat().st_ino == inode
        with pytest.raises(ConnectionRefusedError):
            executor.request("/")
        listening = Path(f"/proc/{executor.process.pid}/net/tcp").read_text()
        assert f"{executor.address[1]:04X} 00000000:0000 0A" in listening


def test_a_network_namespace_that_is_gone(tmp_path):
    """Without its namespace a task does not start: it would listen on the machine's addresses."""
    with pytest.raises(AssertionError, match="network namespace /nowhere: No such file"):
        Executor(tmp_path, app(go_guest()), go_guest(), netns="/nowhere")


def test_start_twice(serving):
    """A second start is refused and the app serves on."""
    with pytest.raises(ExecutorError, match="started already"):
        serving.start()
    assert serving.request("/")[0] == 200


def test_the_caller_dies_during_the_start(tmp_path):
    """When the caller of start goes away before the answer, the executor ends at once."""
    silent = socket.create_server(("127.0.0.1", 0))  # nobody answers there
    vault = VaultServer(f"http://127.0.0.1:{silent.getsockname()[1]}")
    task = Task("job", module="command.wasm", variable=(Variable("key", secret=True),))
    module = tmp_path / "command.wasm"
    module.write_bytes(wat(COMMAND % ""))
    with silent, Executor(tmp_path, task, module, vault=vault) as executor:
        with socket.socket(socket.AF_UNIX) as connection, control.short_path(executor.state) as path:
            connection.connect(path)
            connection.sendall(b'{"call":"start","vault_token":"t"}\n')
            with connection.makefile("rb") as answer:
                while json.loads(answer.readline())["event"] not in ("cached", "compiled"):
                    pass
        assert "left by its caller" in executor.exit()["error"]


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        ("", {"exit_code": 0, **ENDED}),
        ("(call $exit (i32.const 1))", {"exit_code": 1, **ENDED}),
        ("(call $exit (i32.const 42))", {"exit_code": 42, **ENDED}),
    ],
)
def test_a_command(tmp_path, end, expected):
    """A command's exit code is the task's, its streams are in the task's logs."""
    with command(tmp_path, end) as executor:
        executor.start()
        assert executor.exit() == expected
        assert (executor.stdout.read_text(), executor.stderr.read_text()) == ("out\n", "err\n")


def test_a_command_that_traps(tmp_path):
    """A trapping command ends like an abort; the backtrace follows its own words in the task's log."""
    with command(tmp_path, "unreachable") as executor:
        executor.start()
        status = executor.exit()
        assert status["exit_code"] == 134
        assert "unreachable" in status["error"]
        assert "\n" not in status["error"]
        assert executor.stdout.read_text() == "out\n"
        assert executor.stderr.read_text().startswith("err\n")
        assert "unreachable" in executor.stderr.read_text()


def test_a_command_that_is_stopped(tmp_path):
    """Stopping a command that never ends kills it, as SIGTERM would."""
    with command(tmp_path, "(loop (br 0))") as executor:
        executor.start()
        executor.call("stop", timeout=0.1)
        assert executor.exit() == {**ENDED, "exit_code": 143, "signal": 15}


@pytest.mark.parametrize(
    ("task", "kind", "words"),
    [
        (Task(module="none.wasm"), GuestError, "No such file"),
        (Task(module="/etc/passwd"), ConfigError, "allow"),
        (Task(module="go.wasm", digest="sha256:" + "0" * 64), GuestError, "pins"),
        (Task(module="go.wasm", variable=(Variable("key", secret=True),)), SecretError, "no Vault address"),
        (Task(module="go.wasm", env={"A": "{{ b }}"}), ConfigError, "no variable 'b'"),
        (
            Task(http=Http(), component=(Component("w", "go.wasm", route=("x",)),)),
            ConfigError,
            "must start with /",
        ),
    ],
)
def test_a_start_that_fails(tmp_path, task, kind, words):
    """What keeps a task from starting is the start's error and exit status; nothing is left running."""
    guest = tmp_path / "go.wasm"
    guest.write_bytes(go_guest().read_bytes())
    with Executor(tmp_path, task, guest) as executor:
        with pytest.raises(kind, match=words):
            executor.start()
        status = executor.exit()
        assert status["exit_code"] == 1
        assert words in status["error"]
