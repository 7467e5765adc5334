"""Parking on real processes: an executor that ends, a holder of two processes, and executors that it wakes."""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import json
import os
import random
import select
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import httpx
import psutil
import pytest

from tests.driver.executor_process import PATIENCE, Executor, app, until
from tests.driver.go_guests import go_guest
from tests.driver.plugin_process import runs
from tests.driver.test_executor import ENDED, refuses
from tests.driver.test_executor import namespace as _namespace
from wasmdeploy_driver.app.app import HEALTH
from wasmdeploy_driver.executor import control
from wasmdeploy_driver.executor.holder import SOCKET, ask, connect, encode

pytestmark = pytest.mark.guests
namespace = _namespace


class Holder:
    """A holder's two processes."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self.path = directory / SOCKET
        self.log = directory / "holder.log"
        command = [sys.executable, "-I", "-m", "wasmdeploy_driver.holder", str(directory), " " * 512]
        with self.log.open("wb") as log:
            subprocess.run(
                command, check=True, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=PATIENCE
            )
        self.directory = directory

    @classmethod
    def of(cls, directory: Path) -> Holder:
        """The one that a plugin has started."""
        found = cls.__new__(cls)
        found.directory, found.path = directory, directory / SOCKET
        return found

    def pair(self) -> list[psutil.Process]:
        """Those that live, the first one first."""
        found = []
        for each in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                command = each.cmdline()
                if "wasmdeploy_driver.holder" in command and str(self.directory) in command:
                    found.append(each)
        ours = {each.pid for each in found}
        return sorted(found, key=lambda each: each.ppid() in ours)

    def both(self) -> list[psutil.Process]:
        """The pair, once it is one."""
        until(lambda: len(self.pair()) == 2)
        return self.pair()

    def find(self, state: Path) -> dict[str, object]:
        return ask(self.path, {"find": str(state)}, PATIENCE)

    def end(self) -> None:
        while left := self.pair():
            for each in left:
                with contextlib.suppress(psutil.Error):
                    each.kill()


@pytest.fixture
def holder(tmp_path):
    """The processes that hold."""
    started = Holder(tmp_path / "holder")
    yield started
    started.end()
    # Executors that it has woken belong to nobody; no more can come now.
    for each in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if any(str(tmp_path) in word for word in each.cmdline()):
                each.kill()


@pytest.fixture
def parking(tmp_path, holder):
    """An executor that parks its app after a tenth of a second."""
    task = replace(app(go_guest()), idle_timeout="100ms")
    with Executor(tmp_path, task, go_guest(), holder=holder.path) as executor:
        yield executor.start()


def parked(executor, holder) -> bool:
    """Whether the app has no executor now."""
    found = holder.find(executor.state)
    return bool(found["parked"]) and not lives(executor)


def lives(executor) -> bool:
    """Whether any executor of the task lives."""
    with contextlib.suppress(OSError, ValueError):
        pid, _ = json.loads((executor.state / control.EXECUTOR).read_text())
        with contextlib.suppress(psutil.Error):
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                return True
    return executor.process.poll() is None


def woken(executor) -> int:
    """The pid of the executor that was woken last, 0 where none was."""
    pid = json.loads((executor.state / control.EXECUTOR).read_text())[0]
    return 0 if pid == executor.process.pid else pid


def test_parked_and_woken(parking, holder):
    """An idle app's processes end without an exit status; the next request is answered by fresh ones."""
    family = [psutil.Process(parking.process.pid), parking.stem()]
    until(lambda: parked(parking, holder))
    assert parking.process.wait(PATIENCE) == 0
    until(lambda: not any(each.is_running() for each in family))
    assert not (parking.state / control.EXIT).read_text()
    assert parking.request("/echo", "POST", b"body" * 1000)[2] == b"body" * 1000
    inspected = parking.call("inspect")
    assert inspected["pid"] != parking.process.pid
    assert parking.call("stop", timeout=30.0) == {}
    until(lambda: not lives(parking))
    assert json.loads((parking.state / control.EXIT).read_text())["exit_code"] == 0
    assert not holder.find(parking.state)["parked"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_health_checks_wake_nobody(parking, holder, method):
    """The holder answers the health path as the app does; nothing else may come in that connection."""
    awake = parking.request(HEALTH, method)
    until(lambda: parked(parking, holder))
    for _ in range(3):
        status, headers, body = parking.request(HEALTH, method)
        assert (status, headers["content-type"], body) == (awake[0], awake[1]["content-type"], awake[2])
    assert parked(parking, holder)
    assert woken(parking) == 0


def test_a_health_check_in_pieces(parking, holder):
    """A head that comes byte by byte is waited for; one that turns out to ask for something else wakes the app."""
    until(lambda: parked(parking, holder))
    with socket.create_connection(parking.address, PATIENCE) as client:
        for byte in f"GET {HEALTH} HTTP/1.1\r\nhost: a\r\n\r\n".encode():
            client.sendall(bytes([byte]))
        assert client.recv(1024).startswith(b"HTTP/1.1 200 OK\r\n")
    assert parked(parking, holder)
    with socket.create_connection(parking.address, PATIENCE) as client:
        client.sendall(f"GET {HEALTH}".encode())
        client.sendall(b"y HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        assert b"hello from Go\n" in client.makefile("rb").read()
    assert woken(parking) != 0


def test_the_jobs_own_check(tmp_path, holder):
    """A check that the guest answers keeps no app awake and wakes none; while it fails the app is not parked."""
    task = replace(app(go_guest()), idle_timeout="300ms", health_path="/teapot")
    with Executor(tmp_path, task, go_guest(), holder=holder.path) as executor:
        executor.start()
        assert executor.request("/teapot")[0] == 418
        time.sleep(1)
        assert executor.process.poll() is None
    (tmp_path / "well").mkdir()
    task = replace(app(go_guest()), idle_timeout="300ms", health_path="/moved?x=1")
    with Executor(tmp_path / "well", task, go_guest(), holder=holder.path) as executor:
        executor.start()
        until(lambda: executor.request("/moved?x=1")[0] == 302 and parked(executor, holder))
        assert executor.request("/moved?x=1")[::2] == (302, b"parked\n")
        assert parked(executor, holder)
        assert executor.request("/moved")[1]["location"] == "/elsewhere"


def test_one_executor_for_all(tmp_path, holder):
    """A hundred clients at once wake one executor, and each is answered."""
    task = replace(app(go_guest()), idle_timeout="2s")  # not parked again between two of them
    with Executor(tmp_path, task, go_guest(), holder=holder.path) as parking:
        parking.start()
        until(lambda: parked(parking, holder))
        with ThreadPoolExecutor(100) as clients:
            answers = list(clients.map(lambda _: parking.request("/"), range(100)))
        assert {answer[::2] for answer in answers} == {(200, b"hello from Go\n")}
        assert parking.call("inspect")["requests"] == 100


def test_connections_are_kept(parking, holder):
    """A client's idle connection outlives parking and waking, one that has asked nothing yet, too."""
    kept = http.client.HTTPConnection(*parking.address, timeout=PATIENCE)
    kept.request("GET", "/")
    assert kept.getresponse().read() == b"hello from Go\n"
    own = kept.sock.getsockname()
    with socket.create_connection(parking.address, PATIENCE) as silent:
        until(lambda: parked(parking, holder))
        kept.request("GET", "/")
        assert kept.getresponse().read() == b"hello from Go\n"
        assert kept.sock.getsockname() == own
        silent.sendall(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        assert b"hello from Go\n" in silent.makefile("rb").read()
    kept.close()


def test_a_client_that_leaves_is_let_go(parking, holder):
    """Clients that only connect wake nobody, and leave nothing behind."""
    until(lambda: parked(parking, holder) and spare(holder))  # nothing else is about to come
    descriptors = [Path(f"/proc/{each.pid}/fd") for each in holder.both()]
    before = [len(list(each.iterdir())) for each in descriptors]
    for _ in range(20):
        socket.create_connection(parking.address, PATIENCE).close()
    until(lambda: [len(list(each.iterdir())) for each in descriptors] == before)
    assert parked(parking, holder)


@pytest.mark.parametrize("victim", [0, 1])
def test_either_may_be_killed(parking, holder, victim):
    """With one of its processes killed, the holder has the listener, and whoever is connected; it makes another."""
    for _ in range(3):
        until(lambda: parked(parking, holder))
        with socket.create_connection(parking.address, PATIENCE) as waiting:
            killed = holder.both()[victim]
            killed.kill()
            waiting.sendall(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            assert b"hello from Go\n" in waiting.makefile("rb").read()
        assert killed.pid not in {each.pid for each in holder.both()}
    parking.call("stop", timeout=30.0)


def spare(holder) -> psutil.Process | None:
    """The holder's spare executor."""
    with contextlib.suppress(psutil.Error):
        children = holder.both()[0].children()
        return next((each for each in children if each.name() == "wasm-spare"), None)
    return None


def test_a_spare_executor_is_the_next_one(parking, holder):
    """Where there is one; without it the app is woken all the same, and it ends with its holder."""
    for _ in range(2):
        until(lambda: parked(parking, holder) and spare(holder))
        waiting = spare(holder)
        assert parking.request("/")[2] == b"hello from Go\n"
        assert woken(parking) == waiting.pid
    until(lambda: parked(parking, holder) and spare(holder))
    killed = spare(holder)
    killed.kill()
    until(lambda: not runs(killed.pid))
    assert parking.request("/")[2] == b"hello from Go\n"
    assert woken(parking) != killed.pid
    parking.call("stop", timeout=30.0)
    until(lambda: spare(holder))
    waiting = spare(holder)
    holder.end()
    until(lambda: not runs(waiting.pid))


def test_no_request_is_lost(parking, holder):
    """Requests that come now and then, new connections and kept ones, while it is parked, woken, and the holder's
    processes are killed: each is answered.
    """
    chance = random.Random(5)
    over = threading.Event()
    counts, pids = [0, 0], {parking.process.pid}

    def client(number: int) -> None:
        kept = http.client.HTTPConnection(*parking.address, timeout=PATIENCE)
        while not over.is_set():
            time.sleep(chance.uniform(0.06, 0.16))  # about as long as the app stays awake
            if number:
                assert parking.request("/")[0] == 200
            else:
                kept.request("POST", "/echo", b"kept")
                assert kept.getresponse().read() == b"kept"
            counts[number] += 1
        kept.close()

    def goes_on() -> bool:
        pids.add(woken(parking))
        if chance.random() < 0.02 and len(pair := holder.pair()) == 2:
            chance.choice(pair).kill()
        time.sleep(0.01)
        return min(counts) > 20 and len(pids) > 5 and time.monotonic() > least

    least = time.monotonic() + 10
    with ThreadPoolExecutor(2) as pool:
        clients = [pool.submit(client, number) for number in range(2)]
        try:
            until(lambda: goes_on() or any(each.done() for each in clients))
        finally:
            over.set()
        for each in clients:
            each.result()


def test_calls_wake(parking, holder):
    """A control call is answered by an executor that it wakes."""
    until(lambda: parked(parking, holder))
    assert parking.call("inspect")["state"] == "running"
    until(lambda: parked(parking, holder))
    assert parking.call("stop", timeout=30.0) == {}
    until(lambda: not lives(parking))
    assert json.loads((parking.state / control.EXIT).read_text()) == {"exit_code": 0, **ENDED}


def test_a_request_under_way_keeps_it_awake(parking, holder):
    """However long it takes."""
    with ThreadPoolExecutor(1) as clients:
        answer = clients.submit(parking.request, "/wait")
        until((parking.task_dir / "data" / "waiting").exists)
        time.sleep(0.5)  # some time-outs long
        assert parking.process.poll() is None
        (parking.task_dir / "data" / "go").touch()
        assert answer.result()[::2] == (200, b"waited\n")
    until(lambda: parked(parking, holder))


def test_http2_clients_are_asked_to_leave(parking, holder):
    """A connection with state of its own ends in order before the app is parked."""
    for _ in range(2):
        with httpx.Client(http1=False, http2=True, timeout=PATIENCE) as client:
            assert client.get("http://{}:{}/".format(*parking.address)).text == "hello from Go\n"
            until(lambda: parked(parking, holder))


def test_the_log_stays_open(tmp_path, holder):
    """A log collector does not see the end of a parked task's output, and gets the next executor's."""
    os.mkfifo(tmp_path / "stderr")
    collector = os.open(tmp_path / "stderr", os.O_RDONLY | os.O_NONBLOCK)
    task = replace(app(go_guest()), idle_timeout="100ms")
    with Executor(tmp_path, task, go_guest(), holder=holder.path) as executor:
        executor.start()
        until(lambda: parked(executor, holder))
        with pytest.raises(BlockingIOError):
            os.read(collector, 100)
        assert executor.failure("/panic") == 500
        came = b""
        while b"panic" not in came:
            assert select.select([collector], [], [], PATIENCE)[0], came
            came += os.read(collector, 65536)
    os.close(collector)


def test_what_is_held_is_sealed(parking, holder):
    """What an app goes on with, secrets included, lies in a memory file that nobody can change, and in no other."""
    until(lambda: parked(parking, holder))
    for process in holder.both():
        (image,) = (
            each for each in Path(f"/proc/{process.pid}/fd").iterdir() if "memfd:" in str(each.readlink())
        )
        descriptor = os.open(image, os.O_RDWR)
        assert b'"task"' in os.pread(descriptor, 1 << 20, 0).replace(b"\\", b"")
        with pytest.raises(PermissionError):
            os.pwrite(descriptor, b"x", 0)
        os.close(descriptor)


def test_dropped(parking, holder):
    """What is dropped is closed by both processes: nobody listens any more."""
    until(lambda: parked(parking, holder))
    assert ask(holder.path, {"drop": str(parking.state)}, PATIENCE) == {
        "dropped": str(parking.state), "parked": True,
    }  # fmt: skip
    until(lambda: refuses(parking))
    assert ask(holder.path, {"drop": str(parking.state)}, PATIENCE)["parked"] is False


def test_no_second_executor(parking, holder):
    """While somebody has the task's lock, as an executor that was forked has, none is forked."""
    until(lambda: parked(parking, holder))
    with (parking.state / control.LAUNCH).open() as lock, ThreadPoolExecutor(1) as clients:
        fcntl.flock(lock, fcntl.LOCK_EX)
        answer = clients.submit(parking.request, "/")
        time.sleep(0.5)
        assert woken(parking) == 0
        fcntl.flock(lock, fcntl.LOCK_UN)
        assert answer.result()[0] == 200


def test_without_a_holder_it_stays_awake(tmp_path):
    """An app that nobody can hold serves on, and its log says why."""
    task = replace(app(go_guest()), idle_timeout="100ms")
    with Executor(tmp_path, task, go_guest(), holder=tmp_path / "none") as executor:
        executor.start()
        until(lambda: "no holder takes it" in executor.log())
        assert executor.request("/")[0] == 200


@pytest.mark.parametrize("act", ["park", "keep", "unpark"])
def test_only_its_executor_parks_a_task(parking, holder, act):
    """Another process cannot put itself into the place of a task's executor, parked or awake."""
    for wait in (lambda: None, lambda: until(lambda: parked(parking, holder))):
        wait()
        with connect(holder.path) as caller, socket.create_server(("127.0.0.1", 0)) as own:
            caller.settimeout(PATIENCE)
            message = encode({act: str(parking.state), "health": ["", 200]})
            socket.send_fds(caller, [message], [own.fileno()] * 6)
            assert caller.recv(100) == b""
        assert parking.request("/")[::2] == (200, b"hello from Go\n")


@pytest.mark.parametrize(
    "message",
    [
        b"{", b"[]", b"{}", b'{"park": "/nowhere"}', b'{"park": 5}', b'{"keep": "x"}', b'{"drop": []}', b"\xff",
        b"x" * 9000,
    ],
    ids=lambda message: message[:20].decode(errors="replace"),
)  # fmt: skip
def test_broken_messages(parking, holder, message):
    """A caller that breaks the rules harms nobody but itself."""
    until(lambda: parked(parking, holder))
    pair = [each.pid for each in holder.both()]
    with connect(holder.path) as caller:
        caller.settimeout(PATIENCE)
        caller.send(message)
        assert caller.recv(100) == b""
    assert [each.pid for each in holder.both()] == pair
    assert parking.request("/")[0] == 200


def test_it_ends_where_nobody_needs_it(parking, holder):
    """It stays while it holds a task; a task whose state directory is gone is none."""
    until(lambda: parked(parking, holder))
    time.sleep(11)  # longer than it waits for somebody
    assert len(holder.pair()) == 2
    parking.state.rename(parking.state.with_name("elsewhere"))
    until(lambda: not holder.pair())


def test_sigterm_ends_both(parking, holder):
    """The holder can be ended in order, whichever of its processes hear of it."""
    until(lambda: parked(parking, holder))
    pair = holder.both()
    for each in reversed(pair):
        each.terminate()
    until(lambda: not holder.pair())
    assert refuses(parking)


def test_a_second_holder_leaves(holder):
    """One directory has one holder: another that is started for it ends at once."""
    pair = [each.pid for each in holder.both()]
    command = [sys.executable, "-I", "-m", "wasmdeploy_driver.holder", str(holder.directory), ""]
    assert subprocess.run(command, check=False, timeout=PATIENCE).returncode == 0
    assert [each.pid for each in holder.both()] == pair


def test_a_network_namespace(tmp_path, holder, namespace):
    """A task that is parked listens in its own network namespace, and its next executor is in it."""
    task = replace(app(go_guest()), idle_timeout="100ms")
    with Executor(tmp_path, task, go_guest(), holder=holder.path, netns=namespace) as executor:
        executor.start()
        until(lambda: parked(executor, holder))
        inode = os.stat(namespace).st_ino  # noqa: PTH116
        inodes = []
        while not inodes:
            assert executor.call("inspect")["state"] == "running"
            with contextlib.suppress(FileNotFoundError):  # it is parked again
                inodes.append(Path(f"/proc/{woken(executor)}/ns/net").stat().st_ino)
        assert inodes == [inode]
