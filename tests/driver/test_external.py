"""Apps under the real wasmtime command line: WASI 0.2 and 0.3 guests, limits, and a child's life."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tests.bench.programs import peer
from tests.driver.executor_process import Executor, app, until
from tests.driver.guests import wat
from tests.driver.rust_guests import rust_guest
from wasmdeploy_driver.errors import ExecutorError, GuestError
from wasmdeploy_driver.task import Limits, Task

pytestmark = [pytest.mark.guests, pytest.mark.timeout(1800)]  # the first run may have to build wasmtime


@pytest.fixture(autouse=True)
def wasmtime_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program is found where an operator would have put it."""
    monkeypatch.setenv("PATH", f"{peer().parent}{os.pathsep}{os.environ['PATH']}")


def task_of(source: Path, **parts: object) -> Task:
    """An app under the command line that may call everything."""
    return app(source, engine="wasmtime", allowed_outbound_hosts=("*://*:*",), **parts)


def child(executor: Executor) -> psutil.Process:
    """The wasmtime process below the executor."""
    (found,) = psutil.Process(executor.process.pid).children()
    return found


@pytest.fixture(params=["rust-http", "rust-p3"])
def guest(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Executor]:
    """A WASI 0.2 and a WASI 0.3 guest."""
    source = rust_guest(request.param)
    with Executor(
        tmp_path, task_of(source, environment={"WORD": "two words"}, timeout="1s"), source
    ) as executor:
        yield executor.start()


def test_a_guest_answers(guest: Executor) -> None:
    """Requests are the guest's, each in a fresh instance, with the manifest's environment and nothing of ours."""
    status, _, body = guest.request("/hello")
    assert (status, body[:10].lower()) == (200, b"hello from")
    assert [guest.request("/calls")[2] for _ in range(3)] == [b"1"] * 3
    lines = set(guest.request("/env")[2].decode().splitlines())
    assert {line for line in lines if not line.startswith("INSTANCE_ID=")} == {"WORD=two words"}


def test_prints_reach_the_task(guest: Executor) -> None:
    """What a guest prints is in the task's own streams, and no part of its response."""
    assert guest.request("/print")[2] == b"nothing of it here"
    until(lambda: "complained" in guest.stderr.read_text())
    until(lambda: "printed" in guest.stdout.read_text())


def test_limits_hold(guest: Executor) -> None:
    """A guest that computes too long or wants too much memory fails alone."""
    assert guest.request("/loop")[0] >= 500
    assert guest.request("/hello")[0] == 200


def test_memory(tmp_path: Path) -> None:
    """The task's limit of memory is wasmtime's."""
    source = rust_guest("rust-http")
    task = replace(task_of(source), limits=Limits(memory_mb=4))
    with Executor(tmp_path, task, source) as executor:
        executor.start()
        assert executor.request("/large?100000000")[0] >= 500
        assert executor.request("/hello")[0] == 200


def test_fuel(tmp_path: Path) -> None:
    """A guest that uses up its fuel fails alone, without a limit of time."""
    source = rust_guest("rust-http")
    task = replace(task_of(source), limits=Limits(timeout="0", fuel=50_000_000))
    with Executor(tmp_path, task, source) as executor:
        executor.start()
        assert executor.request("/loop")[0] >= 500
        assert executor.request("/hello")[0] == 200


def test_instances_that_stay(tmp_path: Path) -> None:
    """`isolation = "instance"` holds for this engine too.

    Not the order: the next request may find the last one's instance still at work, which brings another.
    """
    source = rust_guest("rust-http")
    with Executor(tmp_path, task_of(source, isolation="instance", max_requests=3), source) as executor:
        executor.start()
        assert {executor.request("/calls")[2] for _ in range(30)} == {b"1", b"2", b"3"}


def test_directories(tmp_path: Path) -> None:
    """The guest opens the task's directories, by descriptors that no rename can move."""
    source = rust_guest("rust-http")
    with Executor(tmp_path, task_of(source), source) as executor:
        executor.start()
        opened = {descriptor.readlink() for descriptor in Path(f"/proc/{child(executor).pid}/fd").iterdir()}
        assert executor.task_dir / "data" in opened


def test_the_child_takes_the_tasks_own_port(guest: Executor) -> None:
    """The executor itself listens no more: no request passes through it."""
    listening = [
        process.pid
        for process in (psutil.Process(guest.process.pid), child(guest))
        if any(
            each.laddr.port == guest.address[1]
            for each in process.net_connections("tcp")
            if each.status == "LISTEN"
        )
    ]
    assert listening == [child(guest).pid]
    assert guest.call("inspect")["listen"] == f"127.0.0.1:{guest.address[1]}"


def test_a_child_that_dies_is_a_failed_task(guest: Executor) -> None:
    """The task ends with the reason, for Nomad to start it again."""
    child(guest).kill()
    ended = guest.exit()
    assert (ended["exit_code"], ended["error"]) == (1, "wasmtime was ended by signal 9")


def test_the_child_dies_with_the_executor(guest: Executor) -> None:
    """No orphan keeps the port when the executor is killed."""
    running = child(guest)
    guest.process.kill()
    running.wait(60)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(guest.address)


def test_stop_drains(tmp_path: Path) -> None:
    """A request under way is answered, and then the task ends well."""
    source = rust_guest("rust-http")
    with Executor(tmp_path, task_of(source), source) as executor, ThreadPoolExecutor(1) as pool:
        executor.start()
        with socket.create_connection(executor.address) as connection:
            connection.sendall(
                b"POST /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 4\r\n\r\nab"
            )
            until(lambda: len(child(executor).net_connections("tcp")) > 1)
            stopping = pool.submit(executor.call, "stop", timeout=30)
            until(lambda: _refuses(executor.address))
            connection.sendall(b"cd")
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        assert stopping.result() == {}
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert executor.exit()["exit_code"] == 0


def _refuses(address: tuple[str, int]) -> bool:
    with suppress(ConnectionRefusedError), socket.create_connection(address):
        return False
    return True


def test_stop_does_not_wait_for_ever(guest: Executor) -> None:
    """A connection that stays open costs the time that the stop call gives."""
    with socket.create_connection(guest.address) as connection:
        connection.sendall(b"GET /hello HTTP/1.1\r\nHost: h\r\n\r\n")
        assert connection.recv(1000)
        guest.call("stop", timeout=0.2)
        assert guest.exit()["exit_code"] == 0


def test_a_signal_of_the_terminal_is_not_the_childs(guest: Executor) -> None:
    """Ctrl-C reaches the executor's process group only, which then drains the child once."""
    assert os.getpgid(child(guest).pid) != os.getpgid(guest.process.pid)
    assert os.getsid(child(guest).pid) == os.getsid(guest.process.pid)


def test_a_node_without_wasmtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says what to install."""
    monkeypatch.setenv("PATH", "/nonexistent")
    source = rust_guest("rust-http")
    with Executor(tmp_path, task_of(source), source) as executor, pytest.raises(ExecutorError) as caught:
        executor.start()
    assert "there is no wasmtime on this node" in caught.value.message
    assert "PATH" in caught.value.hint


def test_a_guest_that_wasmtime_refuses(tmp_path: Path) -> None:
    """An import that the command line does not have keeps the task from starting, with its name."""
    source = tmp_path / "odd.wasm"
    source.write_bytes(
        wat(
            '(component (import "acme:own/things" (instance (export "ask" (func)))) (component $c) '
            '(instance $i (instantiate $c)) (export "wasi:http/incoming-handler@0.2.0" (instance $i)))'
        )
    )
    with Executor(tmp_path, task_of(source), source) as executor, pytest.raises(GuestError) as caught:
        executor.start()
    assert caught.value.message.startswith("wasmtime cannot serve the guest: ")
    assert "acme:own/things" in caught.value.message


def test_wasi_03_without_the_engine(tmp_path: Path) -> None:
    """In-process such a guest is refused, and the error names the engine that takes it."""
    source = rust_guest("rust-p3")
    with (
        Executor(tmp_path, app(source), source) as executor,
        pytest.raises(GuestError, match=r"WASI 0\.3") as caught,
    ):
        executor.start()
    assert 'engine = "wasmtime"' in caught.value.hint


def test_the_second_start_finds_compiled_code(tmp_path: Path) -> None:
    """The guest is compiled into the cache, before the executor joins the task's cgroup, and once."""
    source = rust_guest("rust-http")
    for name in ("one", "two"):
        directory = tmp_path / name
        directory.mkdir()
        with Executor(directory, task_of(source, timeout="7s"), source) as executor:
            executor.start()
            assert executor.request("/hello")[0] == 200
    assert "compiled code is in the cache" in executor.log()
