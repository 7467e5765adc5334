"""Tasks outlive the plugin, and the next plugin finds them again."""

import hashlib
import json
import os
import select
import signal

import grpc  # Nomad's side of the connection
import pytest

from tests.driver.plugin_process import TIMEOUT, plugin_process, runs, task_config, until
from tests.driver.test_plugin_driver import VAULT, destroy, executor_of, start, state_directories, stop, wait
from wasmdeploy_driver.plugin.proto import driver_pb2


def recover(plugin, handle):
    """As Nomad does after a restart: without a task id and without the config's msgpack."""
    known = driver_pb2.TaskHandle()
    known.CopyFrom(handle)
    known.config.msgpack_driver_config = b""
    plugin.driver.RecoverTask(driver_pb2.RecoverTaskRequest(handle=known), timeout=TIMEOUT)


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


def test_task_runs_on_through_a_killed_plugin(data, tmp_path):
    """After a SIGKILL of the plugin the task runs, is recovered, watched and stopped by the next one."""
    with plugin_process() as first:
        first.configure(data)
        handle = start(first, task_config(tmp_path))
        first.kill()
    with plugin_process() as second:
        second.configure(data)
        assert runs(executor_of(handle))
        recover(second, handle)
        recover(second, handle)  # Nomad may ask twice
        stream = second.driver.TaskEvents(driver_pb2.TaskEventsRequest(), timeout=TIMEOUT)
        event = next(stream)
        assert (event.message, event.alloc_id, event.task_name) == ("events are on", "alloc-1", "web")
        stop(second, handle.config.id)
        assert wait(second, handle.config.id).result.exit_code == 0
        destroy(second, handle.config.id)
    assert state_directories(data) == []


def test_new_vault_tokens_are_passed_on(data, tmp_path):
    """A token that Nomad writes while the task runs reaches the executor, also one that came while no plugin ran."""
    config = task_config(tmp_path, app="shop", variable={"key": {"secret": True}})
    file = tmp_path / "alloc-1/web/private/vault_token"

    def has(token):
        passed = state_directories(data)[0] / "token"
        return passed.exists() and passed.read_text() == hashlib.sha256(token.encode()).hexdigest()

    file.write_text("first")
    with plugin_process() as first:
        first.configure(data, **VAULT)
        handle = start(first, config)
        file.write_text("second\n")
        until(lambda: has("second"), "the second token is passed on")
        file.write_text("")  # as it is for a moment when it is written anew
        first.kill()
    file.write_text("third")
    with plugin_process() as second:
        second.configure(data, **VAULT)
        recover(second, handle)
        until(lambda: has("third"), "the third token is passed on")
        destroy(second, handle.config.id, force=True)


@pytest.mark.parametrize("end", ["shutdown", "terminate"])
def test_task_runs_on_through_an_orderly_end(data, tmp_path, end):
    """Neither Shutdown nor SIGTERM stops a task."""
    with plugin_process() as first:
        first.configure(data)
        handle = start(first, task_config(tmp_path))
        first.shutdown() if end == "shutdown" else first.process.terminate()
        assert first.process.wait(TIMEOUT) == 0
    assert runs(executor_of(handle))
    with plugin_process() as second:
        second.configure(data)
        destroy(second, handle.config.id, force=True)
    until(lambda: not runs(executor_of(handle)), "the executor is gone")


def test_plugin_leaves_no_pipe_to_its_tasks(data, tmp_path):
    """Nomad reads the plugin's stdout to its end before it reaps it: a task must not hold it open."""
    with plugin_process() as plugin:
        plugin.configure(data)
        handle = start(plugin, task_config(tmp_path))
        plugin.kill()
        assert plugin.process.stdout.read() == b""
        os.kill(executor_of(handle), signal.SIGKILL)


def test_end_without_a_plugin_keeps_its_code(data, tmp_path):
    """A task that ended while no plugin was there still gives its true exit code."""
    with plugin_process() as first:
        first.configure(data)
        handle = start(first, task_config(tmp_path))
        (directory,) = state_directories(data)
        first.kill()
    (directory / "exit.json").write_text(
        json.dumps({"exit_code": 42, "signal": 0, "oom_killed": False, "error": ""})
    )
    os.kill(executor_of(handle), signal.SIGKILL)
    until(lambda: not runs(executor_of(handle)), "the executor is gone")
    with plugin_process() as second:
        second.configure(data)
        recover(second, handle)
        assert wait(second, handle.config.id).result.exit_code == 42


def test_kill_without_a_plugin_is_signal_9(data, tmp_path):
    """A task killed while no plugin was there counts as killed."""
    with plugin_process() as first:
        first.configure(data)
        handle = start(first, task_config(tmp_path))
        first.kill()
    os.kill(executor_of(handle), signal.SIGKILL)
    with plugin_process() as second:
        second.configure(data)
        recover(second, handle)
        result = wait(second, handle.config.id).result
    assert (result.exit_code, result.signal) == (137, 9)


def test_reused_pid_is_not_the_task(data, tmp_path):
    """A process that got the executor's pid later is neither taken for it nor killed."""
    with plugin_process() as plugin:
        plugin.configure(data)
        handle = start(plugin, task_config(tmp_path, "exit:5"))
        wait(plugin, handle.config.id)
        state = json.loads(handle.driver_state)
        state["pid"] = os.getpid()
        handle.driver_state = json.dumps(state).encode()
        handle.config.id += "-other"
        recover(plugin, handle)
        assert wait(plugin, handle.config.id).result.exit_code == 5
        stop(plugin, handle.config.id)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (b"{}", "version None"),
        (b'{"version": 99}', "version 99"),
        (b"\x00", "no JSON"),
        (b'{"version": 1}', "missing"),
    ],
)
def test_foreign_state_is_refused(data, tmp_path, state, words):
    """State of another version, or none at all, is one clear error."""
    with plugin_process() as plugin:
        plugin.configure(data)
        with pytest.raises(grpc.RpcError) as caught:
            recover(plugin, driver_pb2.TaskHandle(config=task_config(tmp_path), driver_state=state))
    assert words in caught.value.details()


def test_lost_state_directory_is_refused(data, tmp_path):
    """A task whose state directory is gone is lost, and Nomad is told so."""
    with plugin_process() as plugin:
        plugin.configure(data)
        handle = start(plugin, task_config(tmp_path))
        destroy(plugin, handle.config.id, force=True)
        with pytest.raises(grpc.RpcError) as caught:
            recover(plugin, handle)
    assert "is gone" in caught.value.details()


def test_start_cut_short_by_a_kill_is_cleared(data, tmp_path):
    """A plugin killed in the middle of a start leaves an executor that the next plugin ends."""
    with plugin_process() as first:
        first.configure(data)
        config = task_config(tmp_path, "hang")
        starting = first.driver.StartTask.future(driver_pb2.StartTaskRequest(task=config))
        stream = first.driver.TaskEvents(driver_pb2.TaskEventsRequest(), timeout=TIMEOUT)
        assert "one guest" in (event.message for event in stream)
        (directory,) = state_directories(data)
        pid = json.loads((directory / "process.json").read_text())["executor"][0]
        first.kill()
        assert starting.exception(TIMEOUT) is not None
    with plugin_process() as second:
        second.configure(data)
        assert not runs(pid)
        assert state_directories(data) == []


def test_repeated_start_replaces_what_a_killed_plugin_left(data, tmp_path):
    """Nomad repeats a start under the same id when the plugin died: one executor is left, the new one."""
    with plugin_process() as first:
        first.configure(data)
        before = start(first, task_config(tmp_path))
        first.kill()
    with plugin_process() as second:
        second.configure(data)
        after = start(second, task_config(tmp_path))
        assert not runs(executor_of(before))
        assert runs(executor_of(after))
        destroy(second, after.config.id, force=True)


def test_ended_task_of_a_vanished_allocation_is_cleared(data, tmp_path):
    """State that nobody will ask for again does not pile up."""
    with plugin_process() as first:
        first.configure(data)
        handle = start(first, task_config(tmp_path, "exit:0"))
        wait(first, handle.config.id)
        first.kill()
    with plugin_process() as second:
        second.configure(data)
        assert len(state_directories(data)) == 1
        (tmp_path / "alloc-1").rename(tmp_path / "elsewhere")
        second.configure(data)
        assert state_directories(data) == []


def test_start_after_plugin_and_agent_died_replaces_what_they_left(data, tmp_path):
    """A start that Nomad never stored comes again under another id: the executor that nobody knows is ended."""
    with plugin_process() as first:
        first.configure(data)
        before = start(first, task_config(tmp_path))
        first.kill()
    with plugin_process() as second:
        second.configure(data)
        again = task_config(tmp_path)
        again.id = f"{again.id}-again"
        after = start(second, again)
        assert not runs(executor_of(before))
        assert [str(each) for each in state_directories(data)] == [
            json.loads(after.driver_state)["directory"]
        ]
        destroy(second, again.id, force=True)


def test_restart_leaves_what_the_plugin_knows(data, tmp_path):
    """A start under another id never ends a task that Nomad knows of."""
    with plugin_process() as plugin:
        plugin.configure(data)
        first = start(plugin, task_config(tmp_path))
        again = task_config(tmp_path)
        again.id = f"{again.id}-again"
        second = start(plugin, again)
        assert runs(executor_of(first))
        for handle in (first, second):
            destroy(plugin, handle.config.id, force=True)


def test_running_task_of_a_vanished_allocation_is_ended(data, tmp_path):
    """An executor whose plugin and allocation are gone is nobody's: the next plugin ends it."""
    with plugin_process() as first:
        first.configure(data)
        handle = start(first, task_config(tmp_path))
        first.kill()
    (tmp_path / "alloc-1").rename(tmp_path / "elsewhere")
    with plugin_process() as second:
        second.configure(data)
        assert not runs(executor_of(handle))
        assert state_directories(data) == []


def test_log_of_a_repeated_start_goes_on(data, tmp_path):
    """Nomad's collector reads on where the driver ends one executor for another: its FIFO has no end meanwhile."""
    config = task_config(tmp_path, "hang")
    for path in (config.stdout_path, config.stderr_path):
        os.mkfifo(path)
    collector = os.open(config.stderr_path, os.O_RDONLY | os.O_NONBLOCK)
    with plugin_process() as first:
        first.configure(data)
        starting = first.driver.StartTask.future(driver_pb2.StartTaskRequest(task=config))
        stream = first.driver.TaskEvents(driver_pb2.TaskEventsRequest(), timeout=TIMEOUT)
        assert "one guest" in (event.message for event in stream)
        first.kill()
        assert starting.exception(TIMEOUT) is not None
    with plugin_process() as second:
        second.configure(data)
        assert state_directories(data) == []
        assert not has_ended(collector)
        again = start(second, task_config(tmp_path))
        assert has_ended(collector)  # this executor opens no FIFO
        destroy(second, again.config.id, force=True)
    os.close(collector)


def has_ended(fifo: int) -> bool:
    """Whether nobody has a FIFO open for writing any more, after somebody had."""
    poll = select.poll()
    poll.register(fifo, select.POLLIN)
    return any(happened & select.POLLHUP for _, happened in poll.poll(0))
