"""Executors forked off one process for each plugin, with a real module behind real HTTP."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path

import psutil
import pytest

from tests.driver.plugin_process import TIMEOUT, Plugin, plugin_process, runs, task_config, until
from tests.driver.test_plugin_driver import (
    destroy,
    executor_of,
    refused,
    start,
    state_directories,
    stop,
    wait,
)
from tests.driver.test_plugin_recovery import recover
from wasmdeploy_driver.plugin.proto import driver_pb2
from wasmdeploy_driver.runner.executors import EXECUTOR

# A CGI program that says hi.
HI = r"""(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "content-type: text/plain\n\nhi")
  (func (export "_start")
    (i32.store (i32.const 0) (i32.const 16))
    (i32.store (i32.const 4) (i32.const 28))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"""
COUNTER = itertools.count(random.randrange(10_000))
MARK = {"VAULT_TOKEN": "of-the-agent"}


@pytest.fixture
def plugin(tmp_path):
    with plugin_process(*EXECUTOR, environment=MARK) as started:
        started.configure(tmp_path / "data")
        yield started
        for number in range(60):
            destroy(started, config_id(number), force=True)


def config_id(number: int) -> str:
    return f"alloc-{number}/web/00000000"


def app(tmp_path: Path, number: int = 0, port: int = 0) -> driver_pb2.TaskConfig:
    """A task whose app says hi on the port."""
    import wasmtime  # a guest from its text

    component = {"source": "hi.wasm", "route": ["/..."], "executor": "wagi"}
    parts = {"module": None, "args": [], "app": f"app-{number}", "http": {"port": "http"}}
    directory = tmp_path / f"task-{number}"
    config = task_config(directory, component={"web": component}, **parts)
    config.id = config_id(number)
    config.resources.ports[0].value = port or free_port()
    config.resources.linux_resources.CopyFrom(driver_pb2.LinuxResources())
    (directory / "alloc-1" / "web" / "hi.wasm").write_bytes(bytes(wasmtime.wat2wasm(HI)))
    return config


def free_port() -> int:
    """One below those that the kernel gives to others, and another each time."""
    while True:
        port = 20_000 + next(COUNTER) % 10_000
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def says(config: driver_pb2.TaskConfig) -> bytes:
    """What the app answers."""
    connection = HTTPConnection("127.0.0.1", config.resources.ports[0].value, timeout=TIMEOUT)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read()
    finally:
        connection.close()


def fork_server(plugin: Plugin) -> psutil.Process:
    """The fork server of a plugin."""
    return until(lambda: next(iter(fork_servers(plugin)), None), "there is a fork server")


def fork_servers(plugin: Plugin) -> list[psutil.Process]:
    found = []
    for each in psutil.Process(plugin.process.pid).children():
        with contextlib.suppress(psutil.Error):
            found += [each] if "wasmdeploy_driver.forkserver" in each.cmdline() else []
    return found


def executors(server: psutil.Process) -> list[int]:
    """Those of tasks."""
    found = []
    for each in server.children():
        with contextlib.suppress(psutil.Error):
            found += [each.pid] if "wasmdeploy_driver.executor" in each.cmdline() else []
    return found


def spare(server: psutil.Process) -> psutil.Process:
    """The executor that waits for its task."""

    def find() -> psutil.Process | None:
        with contextlib.suppress(psutil.Error):
            return next((each for each in server.children() if each.name() == "wasm-spare"), None)
        return None

    return until(find, "there is a spare executor")


def log_of(tmp_path: Path) -> str:
    return (tmp_path / "data" / "plugin.log").read_text()


def test_an_executor_is_forked_and_lives_like_a_program(plugin, tmp_path):
    """Child of the fork server, own session, streams and name; nothing inherited; its end is told truly."""
    config = app(tmp_path)
    handle = start(plugin, config)
    assert says(config) == b"hi"
    executor = psutil.Process(executor_of(handle))
    server = fork_server(plugin)
    assert executor.ppid() == server.pid
    assert os.getsid(executor.pid) == executor.pid
    (directory,) = state_directories(tmp_path / "data")
    assert [word for word in executor.cmdline()[1:] if word] == [
        "-I",
        "-m",
        "wasmdeploy_driver.executor",
        str(directory),
    ]
    assert Path(f"/proc/{executor.pid}/comm").read_text() == "wasm:app-0\n"
    assert executor.cwd() == "/"
    assert "of-the-agent" not in Path(f"/proc/{executor.pid}/environ").read_text()
    stop(plugin, config.id)
    assert wait(plugin, config.id).result.exit_code == 0
    assert not psutil.pid_exists(executor.pid)  # no zombie either


def test_an_executor_has_no_descriptor_of_others(plugin, tmp_path):
    """Neither the fork server's, nor another executor's: each is of a known kind, and sockets are its own."""
    first, second = (executor_of(start(plugin, app(tmp_path, number))) for number in range(2))
    server = fork_server(plugin)
    family = [server, *(psutil.Process(pid) for pid in (first, second))]
    family += [stem for each in family[1:] for stem in each.children(recursive=True)]
    held = {process.pid: sockets(process.pid) for process in family}
    plugins = sockets(plugin.process.pid)
    assert not held[first] & held[second]
    for pid, own in held.items():
        assert not own & plugins, pid
        assert pid == server.pid or not own & held[server.pid], pid
    for pid in (first, second):
        targets = {link for link in links(pid) if link.startswith("/")}
        assert not any(
            "task-" in link and f"task-{(first, second).index(pid)}" not in link for link in targets
        )
        assert Path(f"/proc/{pid}/fd/0").readlink() == Path("/dev/null")
    spare(server)
    # Its streams, the plugin's socket, what wakes it, and its spare executor's.
    assert len(links(server.pid)) == 7, links(server.pid)


def links(pid: int) -> list[str]:
    return [str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir()]


def sockets(pid: int) -> set[str]:
    return {link for link in links(pid) if link.startswith(("socket:", "pipe:"))}


def test_a_spare_executor_waits_for_the_next_task(plugin, tmp_path):
    """One for each task: it has one thread and nothing open of anybody's, is confined as every executor, and followed
    by another.
    """
    server = fork_server(plugin)
    seen = set()
    for number in range(3):
        waiting = spare(server)
        until(waiting.children, "it has its stem")
        until(lambda each=waiting: each.status() == psutil.STATUS_SLEEPING, "it has done what it can")
        assert waiting.num_threads() == 1
        assert not [link for link in links(waiting.pid) if str(tmp_path / "task") in link]
        assert sockets(waiting.pid).isdisjoint(sockets(plugin.process.pid))
        config = app(tmp_path, number)
        handle = start(plugin, config)
        assert executor_of(handle) == waiting.pid
        assert says(config) == b"hi"
        for process in (waiting, *waiting.children()):
            assert os.getsid(process.pid) == waiting.pid
            assert "wasmdeploy_driver.executor" in process.cmdline()
            for each in Path(f"/proc/{process.pid}/task").glob("*/status"):
                facts = dict(line.split(":\t", 1) for line in each.read_text().splitlines() if ":\t" in line)
                assert (facts["NoNewPrivs"], facts["Seccomp"], int(facts["CapPrm"], 16)) == ("1", "2", 0)
        seen.add(waiting.pid)
    assert len(seen) == 3
    assert set(executors(server)) == seen


def test_a_spare_executor_that_dies(plugin, tmp_path):
    """The start does without, and there is another after it; nothing is told of an end."""
    server = fork_server(plugin)
    killed = spare(server)
    killed.kill()
    until(lambda: not runs(killed.pid), "it is gone")
    config = app(tmp_path)
    handle = start(plugin, config)
    assert executor_of(handle) != killed.pid
    assert says(config) == b"hi"
    assert spare(server).pid not in (killed.pid, executor_of(handle))
    assert executors(server) == [executor_of(handle)]


def test_a_spare_executor_ends_with_its_fork_server(plugin, tmp_path):
    """Whatever ended that one, and without a word."""
    server = fork_server(plugin)
    waiting = spare(server)
    until(waiting.children, "it has its stem")
    family = [waiting, *waiting.children()]
    server.kill()
    for each in family:
        until(lambda each=each: not runs(each.pid), "it is gone")
    assert not (tmp_path / "data" / "fork-server.log").read_text()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, 137), (signal.SIGABRT, 134)])
def test_a_killed_executor_has_its_signal(plugin, tmp_path, number, code):
    """The fork server, whose child it was, says how it ended."""
    config = app(tmp_path)
    os.kill(executor_of(start(plugin, config)), number)
    result = wait(plugin, config.id).result
    assert (result.exit_code, result.signal) == (code, number)


def test_a_refused_start_leaves_nothing(plugin, tmp_path):
    """A guest that is missing: an error, no process, no state directory."""
    config = app(tmp_path)
    (tmp_path / "task-0" / "alloc-1" / "web" / "hi.wasm").unlink()
    assert "hi.wasm" in refused(plugin, config).details()
    assert executors(fork_server(plugin)) == []
    assert state_directories(tmp_path / "data") == []


def test_an_executor_that_ends_at_once_says_why(plugin, tmp_path):
    """The last word of its log is the error: here that its network namespace is none."""
    config = app(tmp_path)
    config.network_isolation_spec.path = str(tmp_path)
    details = refused(plugin, config).details()
    assert "the executor ended before the task was up" in details
    assert str(tmp_path) in details
    assert state_directories(tmp_path / "data") == []


def test_tasks_outlive_the_fork_server(plugin, tmp_path):
    """Killed, it takes no task along; the next start makes another, and no stranger's status is made up."""
    before, after = app(tmp_path, 0), app(tmp_path, 1)
    handle = start(plugin, before)
    killed = fork_server(plugin).pid
    os.kill(killed, signal.SIGKILL)
    until(lambda: not psutil.pid_exists(killed), "the fork server is gone, no zombie left")
    assert says(before) == b"hi"
    second = psutil.Process(executor_of(start(plugin, after)))
    assert fork_server(plugin).pid == second.ppid() != killed
    assert (says(before), says(after)) == (b"hi", b"hi")
    stop(plugin, before.id)
    assert wait(plugin, before.id).result.exit_code == 0
    assert not runs(executor_of(handle))


def test_tasks_outlive_plugin_and_fork_server(tmp_path):
    """The fork server ends with its plugin, the next plugin has its own, and finds the tasks again."""
    config = app(tmp_path)
    with plugin_process(*EXECUTOR) as first:
        first.configure(tmp_path / "data")
        handle = start(first, config)
        server = fork_server(first)
        first.kill()
    server.wait(TIMEOUT)
    assert says(config) == b"hi"
    with plugin_process(*EXECUTOR) as second:
        second.configure(tmp_path / "data")
        recover(second, handle)
        assert fork_server(second).pid != server.pid
        stop(second, config.id)
        assert wait(second, config.id).result.exit_code == 0
        destroy(second, config.id)
    assert state_directories(tmp_path / "data") == []


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.1])
def test_the_fork_server_killed_during_a_start(plugin, tmp_path, delay):
    """The start succeeds all the same, and there is one executor."""
    config = app(tmp_path)
    server = fork_server(plugin).pid
    starting = plugin.driver.StartTask.future(driver_pb2.StartTaskRequest(task=config), timeout=TIMEOUT * 3)
    time.sleep(delay)  # at different points of the start
    os.kill(server, signal.SIGKILL)
    handle = starting.result().handle
    assert says(config) == b"hi"
    until(lambda: sessions(tmp_path) == {executor_of(handle)}, "there is one executor")


def sessions(tmp_path: Path) -> set[int]:
    """Who leads the sessions of the executors' processes."""
    found = set()
    for each in of(tmp_path):
        with contextlib.suppress(ProcessLookupError):
            found.add(os.getsid(each.pid))
    return found


def test_the_plugin_killed_during_a_start(tmp_path):
    """Nothing is left once the next plugin is there, neither a process nor a directory."""
    config = app(tmp_path)
    with plugin_process(*EXECUTOR) as first:
        first.configure(tmp_path / "data")
        starting = first.driver.StartTask.future(driver_pb2.StartTaskRequest(task=config))
        until(lambda: list((tmp_path / "data").glob("tasks/*/process.json")), "an executor is recorded")
        server = fork_server(first)
        first.kill()
        del starting  # until now: a call that nobody holds is cancelled
    server.wait(TIMEOUT)
    with plugin_process(*EXECUTOR) as second:
        second.configure(tmp_path / "data")
        destroy(second, config.id, force=True)
        assert state_directories(tmp_path / "data") == []
        until(lambda: not of(tmp_path), "no executor is left")


def of(tmp_path: Path) -> list[psutil.Process]:
    """The executors whose state is below the directory."""
    found = []
    for each in psutil.process_iter():
        try:
            found += [each] if any(str(tmp_path) in word for word in each.cmdline()) else []
        except psutil.Error:
            continue
    return found


def test_fifty_starts_at_once(plugin, tmp_path):
    """All serve, each a process of its own, and all are gone in the end."""
    configs = [app(tmp_path, number) for number in range(50)]
    with ThreadPoolExecutor(50) as pool:
        handles = list(pool.map(lambda config: plugin.driver.StartTask(
            driver_pb2.StartTaskRequest(task=config), timeout=120).handle, configs))  # fmt: skip
    assert {says(config) for config in configs} == {b"hi"}
    pids = {executor_of(handle) for handle in handles}
    assert len(pids) == 50
    server = fork_server(plugin)
    assert set(executors(server)) == pids
    for config in configs:
        destroy(plugin, config.id, force=True)
    until(lambda: executors(server) == [], "all are gone, no zombie left")


def test_spawn_is_the_operators_choice(tmp_path):
    """With executor = "spawn" there is no fork server, and the task runs the same."""
    config = app(tmp_path)
    with plugin_process(*EXECUTOR) as plugin:
        plugin.configure(tmp_path / "data", executor="spawn")
        handle = start(plugin, config)
        assert says(config) == b"hi"
        assert psutil.Process(executor_of(handle)).ppid() == plugin.process.pid
        assert Path(f"/proc/{executor_of(handle)}/comm").read_text() == "wasm:app-0\n"
        assert fork_servers(plugin) == []
        destroy(plugin, config.id, force=True)


def test_without_a_fork_server_executors_are_spawned(tmp_path):
    """Where it cannot be had, tasks start all the same, and the log says so."""
    (tmp_path / "data" / "fork-server.log").mkdir(parents=True)  # so that it has no log to write to
    config = app(tmp_path)
    with plugin_process(*EXECUTOR) as plugin:
        plugin.configure(tmp_path / "data")
        handle = start(plugin, config)
        assert says(config) == b"hi"
        assert psutil.Process(executor_of(handle)).ppid() == plugin.process.pid
        destroy(plugin, config.id, force=True)
    assert "no fork server can be had" in log_of(tmp_path)
