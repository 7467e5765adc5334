"""Parked tasks under a real plugin: Nomad sees tasks that run."""

from __future__ import annotations

import json
import os
import shutil
import signal

import msgpack
import pytest

from tests.driver.plugin_process import TIMEOUT, plugin_process, until
from tests.driver.test_fork_server import app as plain_app
from tests.driver.test_fork_server import config_id, says
from tests.driver.test_parking import Holder
from tests.driver.test_plugin_driver import destroy, refused, start, state_directories, stop, wait
from tests.driver.test_plugin_recovery import recover
from wasmdeploy_driver.plugin.proto import driver_pb2
from wasmdeploy_driver.runner.executors import EXECUTOR

pytestmark = pytest.mark.guests


def app(tmp_path, number=0, **more):
    """A task whose app is parked after a tenth of a second."""
    config = plain_app(tmp_path, number)
    data = msgpack.unpackb(config.msgpack_driver_config) | {"idle_timeout": "100ms", **more}
    config.msgpack_driver_config = msgpack.packb(data)
    return config


@pytest.fixture
def data(tmp_path):
    """The plugin's directory; what still holds in it is ended."""
    yield tmp_path / "data"
    Holder.of(tmp_path / "data").end()


@pytest.fixture
def plugin(tmp_path, data):
    with plugin_process(*EXECUTOR) as started:
        started.configure(data)
        yield started
        destroy(started, config_id(0), force=True)


def inspect(plugin, config) -> dict[str, str]:
    answer = plugin.driver.InspectTask(driver_pb2.InspectTaskRequest(task_id=config.id), timeout=TIMEOUT)
    assert answer.task.state == driver_pb2.RUNNING
    return dict(answer.driver.attributes)


def parked(plugin, config) -> bool:
    return inspect(plugin, config).get("state") == "parked"


def until_parked(plugin, config) -> None:
    until(lambda: parked(plugin, config), "the app is parked")


def heard(events, name: str) -> str:
    """The next event of this name."""
    return next(event.message for event in events if event.annotations["event"] == name)


def test_parked_and_woken(plugin, tmp_path):
    """A parked task runs as Nomad sees it, uses nothing, is woken by a request, and tells of both."""
    config = app(tmp_path, idle_timeout="500ms")
    start(plugin, config)
    events = plugin.driver.TaskEvents(driver_pb2.TaskEventsRequest(), timeout=TIMEOUT)
    stats = plugin.driver.TaskStats(driver_pb2.TaskStatsRequest(task_id=config.id), timeout=TIMEOUT)
    assert next(stats).stats.agg_resource_usage.memory.rss > 0
    heard(events, "parked")
    until(lambda: next(stats).stats.agg_resource_usage.memory.rss == 0, "a parked task uses no memory")
    assert parked(plugin, config)
    assert says(config) == b"hi"
    assert heard(events, "woken") == "a request woke the app"
    # Asked again and again: it may be parked before somebody looks.
    until(
        lambda: says(config) and next(stats).stats.agg_resource_usage.memory.rss > 0,
        "an app that is awake uses some",
    )
    stop(plugin, config.id)
    assert wait(plugin, config.id).result.exit_code == 0


def test_stopped_while_parked(plugin, tmp_path, data):
    """A parked task that is stopped has ended well; nothing listens or holds anything any more."""
    config = app(tmp_path)
    start(plugin, config)
    until_parked(plugin, config)
    (directory,) = state_directories(data)
    stop(plugin, config.id)
    result = wait(plugin, config.id).result
    assert (result.exit_code, result.signal) == (0, 0)
    assert json.loads((directory / "exit.json").read_text())["exit_code"] == 0
    with pytest.raises(ConnectionRefusedError):
        says(config)
    destroy(plugin, config.id)
    assert state_directories(data) == []


def test_killed_while_parked(plugin, tmp_path):
    """SIGKILL ends a parked task as it ends one that is awake."""
    config = app(tmp_path)
    start(plugin, config)
    until_parked(plugin, config)
    plugin.driver.SignalTask(
        driver_pb2.SignalTaskRequest(task_id=config.id, signal="SIGKILL"), timeout=TIMEOUT
    )
    result = wait(plugin, config.id).result
    assert (result.exit_code, result.signal) == (137, 9)


def test_a_woken_executor_has_a_true_end(plugin, tmp_path):
    """The holder, whose child it is, says how a woken executor ended; parked before does not count."""
    config = app(tmp_path, idle_timeout="2s")  # for which its executor is there to be killed
    first = start(plugin, config)
    until_parked(plugin, config)
    pid = int(until(lambda: says(config) and inspect(plugin, config).get("pid"), "it is awake"))
    assert pid != json.loads(first.driver_state)["pid"]
    os.kill(pid, signal.SIGABRT)
    result = wait(plugin, config.id).result
    assert (result.exit_code, result.signal) == (134, 6)


def test_exec_and_signals_wake(plugin, tmp_path):
    """The console opens and a signal arrives, parked or not."""
    config = app(tmp_path)
    start(plugin, config)
    until_parked(plugin, config)
    answer = plugin.driver.ExecTask(
        driver_pb2.ExecTaskRequest(task_id=config.id, command=["invoke", "GET", "/"]), timeout=TIMEOUT
    )
    assert (answer.result.exit_code, answer.stdout) == (0, b"hi")
    until_parked(plugin, config)
    plugin.driver.SignalTask(
        driver_pb2.SignalTaskRequest(task_id=config.id, signal="SIGUSR1"), timeout=TIMEOUT
    )
    until(lambda: "state:" in (tmp_path / "task-0" / "stderr").read_text(), "the state is in stderr")


def left_parked(configs, data) -> list:
    """Have a plugin start the tasks, and be killed once they are parked; their handles."""
    with plugin_process(*EXECUTOR) as plugin:
        plugin.configure(data)
        handles = [start(plugin, config) for config in configs]
        for config in configs:
            until_parked(plugin, config)
        plugin.kill()
    return handles


def test_recovered_while_parked(tmp_path, data):
    """A plugin that is killed takes no parked task along; one that was woken meanwhile is found, too."""
    configs = [app(tmp_path, number) for number in range(2)]
    handles = left_parked(configs, data)
    assert says(configs[0]) == b"hi"
    with plugin_process(*EXECUTOR) as second:
        second.configure(data)
        for handle in handles:
            recover(second, handle)
        for config in configs:
            until_parked(second, config)
            assert says(config) == b"hi"
        until_parked(second, configs[1])
        for config in configs:
            stop(second, config.id)
            assert wait(second, config.id).result.exit_code == 0
            destroy(second, config.id)
        assert state_directories(data) == []


def test_given_up_while_parked(tmp_path, data):
    """Nomad removes the control group of a task that it has given up: then nothing listens for it any more."""
    configs = [app(tmp_path, number) for number in range(2)]
    groups = []
    for config in configs:
        groups.append(tmp_path / f"{config.id.partition('/')[0]}.web.scope")
        groups[-1].mkdir()
        (groups[-1] / "cgroup.controllers").touch()
        config.resources.linux_resources.cpuset_cgroup = str(groups[-1])
    handles = left_parked(configs, data)
    shutil.rmtree(groups[0])
    with plugin_process(*EXECUTOR) as second:
        second.configure(data)
        with pytest.raises(ConnectionRefusedError):
            says(configs[0])
        recover(second, handles[1])
        assert says(configs[1]) == b"hi"
        destroy(second, configs[1].id, force=True)
        assert state_directories(data) == []


@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_holder(plugin, tmp_path, data, victim):
    """Either process of the holder may be killed: the task runs on, is woken, parked, and stopped."""
    config = app(tmp_path)
    start(plugin, config)
    until_parked(plugin, config)
    for _ in range(3):
        Holder.of(data).both()[victim].kill()
        assert says(config) == b"hi"
        until_parked(plugin, config)
    stop(plugin, config.id)
    assert wait(plugin, config.id).result.exit_code == 0


def test_both_processes_of_the_holder_killed(plugin, tmp_path, data):
    """Then a parked task has ended, as Nomad is told, and can be started anew."""
    config = app(tmp_path)
    start(plugin, config)
    until_parked(plugin, config)
    Holder.of(data).end()
    answer = wait(plugin, config.id)
    assert answer.result.exit_code == 1
    assert "both processes that held the parked task have ended" in answer.err
    destroy(plugin, config.id)
    start(plugin, config)
    until_parked(plugin, config)
    assert says(config) == b"hi"


def test_destroyed_while_parked(plugin, tmp_path, data):
    """A parked task that nobody knows any more is let go with its state directory."""
    config = app(tmp_path)
    start(plugin, config)
    until_parked(plugin, config)
    destroy(plugin, config.id, force=True)
    assert state_directories(data) == []
    with pytest.raises(ConnectionRefusedError):
        says(config)


def test_only_apps_are_parked(plugin, tmp_path):
    """A time-out that cannot be kept is an error of the start."""
    assert "idle_timeout" in refused(plugin, app(tmp_path, idle_timeout="soon")).details()
