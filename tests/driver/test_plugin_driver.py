"""The Driver service over real gRPC, with a fake executor."""

import asyncio
import hashlib
import json
import os
import pwd
import threading
from pathlib import Path

import grpc  # Nomad's side of the connection
import pytest

from tests.driver.plugin_process import TIMEOUT, plugin_process, runs, task_config, until
from wasmdeploy_driver.plugin import fingerprint as fingerprints
from wasmdeploy_driver.plugin.config import PluginConfig
from wasmdeploy_driver.plugin.proto import driver_pb2

VAULT = {"vault": {"address": "http://127.0.0.1:8200"}}


@pytest.fixture(scope="module")
def process():
    with plugin_process() as started:
        yield started


@pytest.fixture
def plugin(process, tmp_path):
    process.configure(tmp_path / "data", **VAULT)
    yield process
    destroy(process, task_config(tmp_path).id, force=True)


@pytest.fixture
def fresh(tmp_path):
    """A plugin of the test's own, whose events nobody has taken yet."""
    with plugin_process() as started:
        started.configure(tmp_path / "data", **VAULT)
        yield started
        destroy(started, task_config(tmp_path).id, force=True)


def start(plugin, config):
    return plugin.driver.StartTask(driver_pb2.StartTaskRequest(task=config), timeout=TIMEOUT).handle


def refused(plugin, config) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        start(plugin, config)
    return caught.value


def wait(plugin, task_id):
    return plugin.driver.WaitTask(driver_pb2.WaitTaskRequest(task_id=task_id), timeout=TIMEOUT)


def stop(plugin, task_id, seconds=30, signal=""):
    request = driver_pb2.StopTaskRequest(task_id=task_id, signal=signal)
    request.timeout.FromMilliseconds(int(seconds * 1000))
    plugin.driver.StopTask(request, timeout=TIMEOUT)


def destroy(plugin, task_id, force=False):
    plugin.driver.DestroyTask(driver_pb2.DestroyTaskRequest(task_id=task_id, force=force), timeout=TIMEOUT)


def events_of(plugin, task_id):
    stream = plugin.driver.TaskEvents(driver_pb2.TaskEventsRequest(), timeout=TIMEOUT)
    return (event for event in stream if event.task_id == task_id)


def executor_of(handle) -> int:
    return json.loads(handle.driver_state)["pid"]


def state_directories(data: Path) -> list[Path]:
    return list((data / "tasks").iterdir()) if (data / "tasks").exists() else []


def test_capabilities(plugin):
    """Signals and exec, an image's file system, every network that Nomad can make, volumes."""
    answer = plugin.driver.Capabilities(driver_pb2.CapabilitiesRequest(), timeout=TIMEOUT)
    abilities = answer.capabilities
    assert (abilities.send_signals, abilities.exec, abilities.must_create_network) == (True, True, False)
    assert abilities.fs_isolation == driver_pb2.DriverCapabilities.IMAGE
    assert abilities.mount_configs == driver_pb2.DriverCapabilities.ANY_MOUNTS
    modes = driver_pb2.NetworkIsolationSpec
    assert list(abilities.network_isolation_modes) == [modes.HOST, modes.GROUP, modes.NONE]
    assert not abilities.disable_log_collection


def test_logs_without_nomads_collector(tmp_path):
    """With `log_collection = "driver"` Nomad starts no collector, and the task's log is written in its place."""
    config = task_config(tmp_path, "exit:0")
    with plugin_process() as plugin:
        plugin.configure(
            tmp_path / "data", log_collection="driver", logs={"max_files": 3, "max_file_size": 2}
        )
        answer = plugin.driver.Capabilities(driver_pb2.CapabilitiesRequest(), timeout=TIMEOUT)
        assert answer.capabilities.disable_log_collection
        start(plugin, config)
        launch = json.loads((state_directories(tmp_path / "data")[0] / "launch.json").read_text())
        assert launch["logs"] == {"task": "web", "most_files": 3, "most_bytes": 2 << 20}
        destroy(plugin, config.id, force=True)
        config.stdout_path = config.stderr_path = os.devnull  # logs { disabled = true }
        start(plugin, config)
        launch = json.loads((state_directories(tmp_path / "data")[0] / "launch.json").read_text())
        assert "logs" not in launch
        destroy(plugin, config.id, force=True)


def test_task_config_schema(plugin):
    """The schema is the one of Task."""
    spec = plugin.driver.TaskConfigSchema(driver_pb2.TaskConfigSchemaRequest(), timeout=TIMEOUT).spec
    assert {"module", "component", "http", "variable", "limits"} <= set(spec.object.attributes)


def test_fingerprint_is_healthy_at_once(plugin):
    """The first message comes at once, with the attributes that jobs constrain on."""
    first = next(plugin.driver.Fingerprint(driver_pb2.FingerprintRequest(), timeout=TIMEOUT))
    assert (first.health, first.health_description) == (driver_pb2.FingerprintResponse.HEALTHY, "Healthy")
    assert first.attributes["driver.wasm"].bool_val
    assert first.attributes["driver.wasm.version"].string_val
    assert first.attributes["driver.wasm.wasmtime"].string_val


def test_fingerprint_names_what_is_wrong(tmp_path):
    """A data_dir that cannot be is unhealthy with the reason, not an error of the stream."""
    (tmp_path / "file").write_text("")
    with plugin_process() as plugin:
        plugin.configure(tmp_path / "file" / "data")
        first = next(plugin.driver.Fingerprint(driver_pb2.FingerprintRequest(), timeout=TIMEOUT))
    assert first.health == driver_pb2.FingerprintResponse.UNHEALTHY
    assert first.health_description == f"data_dir {tmp_path}/file/data: Not a directory"


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"memory_mb": 65, "timeout": "5s"}, "limits.memory_mb: 65"),
        ({"memory_mb": 64, "timeout": "6s"}, "limits.timeout: 6s"),
        ({"memory_mb": 64, "timeout": "0"}, "limits.timeout: 0"),
    ],
)
def test_limits_beyond_the_operators_are_refused(tmp_path, limits, words):
    """A job gets no more than the node's max_limits, an unlimited time included."""
    component = {"web": {"source": "x.wasm", "route": ["/..."]}}
    with plugin_process() as plugin:
        plugin.configure(tmp_path / "data", max_limits={"memory_mb": 64, "timeout": "5s"})
        error = refused(
            plugin,
            task_config(tmp_path, module="", component=component, http={"port": "http"}, limits=limits),
        )
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert words in error.details()
        config = task_config(tmp_path, limits={"memory_mb": 64, "timeout": "0"})
        start(plugin, config)  # a command has no time limit
        destroy(plugin, config.id, force=True)


@pytest.mark.parametrize(
    ("allowed", "component", "words"),
    [
        (
            {"max_limits": {"memory_mb": 64}},
            {"limits": {"memory_mb": 65}},
            "component.web.limits.memory_mb: 65",
        ),
        (
            {"max_limits": {"timeout": "5s"}},
            {"limits": {"timeout": "6s"}},
            "component.web.limits.timeout: 6s",
        ),
        ({"allow_network": False}, {"allowed_outbound_hosts": ["https://a.test"]}, "guests call nobody"),
        ({"engines": ["in-process"]}, {"engine": "wasmtime"}, "no guests with the engine wasmtime"),
        ({"engines": ["wasmtime"]}, {}, "no guests with the engine in-process"),
    ],
)
def test_what_the_operator_does_not_allow(tmp_path, allowed, component, words):
    """A component gets no more than the node allows, also where its own settings ask for it."""
    web = {"web": {"source": "x.wasm", "route": ["/..."], **component}}
    limits = {"memory_mb": 64, "timeout": "5s"}
    with plugin_process() as plugin:
        plugin.configure(tmp_path / "data", **allowed)
        config = task_config(tmp_path, module="", component=web, http={"port": "http"}, limits=limits)
        error = refused(plugin, config)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert words in error.details()


def test_where_the_operator_puts_things(tmp_path):
    """The cache and the plugin's log lie where the configuration says, and the node has the engines that it names."""
    chosen = {"cache": {"dir": str(tmp_path / "compiled"), "max_size": 100}, "log_file": str(tmp_path / "own.log"),
              "engines": ["in-process"], "stats_interval": "300ms"}  # fmt: skip
    config = task_config(tmp_path)
    with plugin_process() as plugin:
        plugin.configure(tmp_path / "data", **chosen)
        first = next(plugin.driver.Fingerprint(driver_pb2.FingerprintRequest(), timeout=TIMEOUT))
        assert first.attributes["driver.wasm.engines"].string_val == "in-process"
        assert first.attributes["driver.wasm.landlock"].int_val >= 1
        assert first.attributes["driver.wasm.seccomp"].bool_val
        start(plugin, config)
        launch = json.loads((state_directories(tmp_path / "data")[0] / "launch.json").read_text())
        assert (launch["cache"], launch["cache_bytes"]) == (str(tmp_path / "compiled"), 100 << 20)
        assert f"started task {config.id}" in (tmp_path / "own.log").read_text()
        request = driver_pb2.TaskStatsRequest(task_id=config.id)
        request.collection_interval.FromMilliseconds(1)
        stream = plugin.driver.TaskStats(request, timeout=TIMEOUT)
        one, two = (next(stream).stats.timestamp.ToMilliseconds() for _ in range(2))
        assert two - one >= 290
        stream.cancel()
        destroy(plugin, config.id, force=True)
    assert not (tmp_path / "data" / "cache").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run tasks as others")
def test_users(tmp_path):
    """A task runs as its own user, else the plugin's; nobody that there is not, and not root where a user is chosen."""
    config = task_config(tmp_path)
    with plugin_process() as plugin:
        plugin.configure(tmp_path / "data", user="daemon")
        for name, expected in (("nobody", pwd.getpwnam("nobody")), ("", pwd.getpwnam("daemon"))):
            config.user = name
            start(plugin, config)
            launch = json.loads((state_directories(tmp_path / "data")[0] / "launch.json").read_text())
            assert launch["isolation"] == {"uid": expected.pw_uid, "gid": expected.pw_gid}
            destroy(plugin, config.id, force=True)
        for name, words in (
            ("no-such-user", "there is no user 'no-such-user'"),
            ("root", "runs no task as root"),
        ):
            config.user = name
            assert words in refused(plugin, config).details()


def test_fingerprint_tries_the_import(monkeypatch, tmp_path):
    """A Python that cannot import wasmtime is told with its reason, and with whose Python it is."""
    monkeypatch.setattr(fingerprints, "_NEEDED", "import wasmtime_that_is_missing")
    problem = asyncio.run(fingerprints.engine_problem())
    assert problem.startswith("wasmtime cannot be imported by ")
    assert "wasmtime_that_is_missing" in problem
    answer = fingerprints.fingerprint(PluginConfig(data_dir=str(tmp_path)), problem)
    assert (answer.health, answer.health_description) == (driver_pb2.FingerprintResponse.UNHEALTHY, problem)


def test_fingerprint_misses_controllers(monkeypatch, tmp_path):
    """A node whose cgroups cannot limit anything is unhealthy where the agent is root."""
    monkeypatch.setattr(fingerprints, "_CGROUPS", tmp_path)
    monkeypatch.setattr(fingerprints.os, "geteuid", lambda: 0)
    answer = fingerprints.fingerprint(PluginConfig(data_dir=str(tmp_path / "data")))
    assert "has no controller cpu and memory" in answer.health_description
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    answer = fingerprints.fingerprint(PluginConfig(data_dir=str(tmp_path / "data")))
    assert answer.health == driver_pb2.FingerprintResponse.HEALTHY


def test_start_answers_with_a_handle_for_recovery(plugin, tmp_path):
    """The handle carries the request's own config, a version and our state."""
    config = task_config(tmp_path)
    handle = start(plugin, config)
    assert handle.version == 1
    assert handle.config == config
    assert handle.state == driver_pb2.RUNNING
    assert json.loads(handle.driver_state)["version"] == 1
    assert runs(executor_of(handle))
    stop(plugin, config.id)


def test_launch_holds_the_facts_of_the_task(plugin, tmp_path):
    """The executor gets paths, port and NOMAD_ variables, and no identity token."""
    config = task_config(tmp_path, module=None, http={"port": None}, component={"c": {"source": "c.wasm"}})
    start(plugin, config)
    (directory,) = state_directories(tmp_path / "data")
    launch = json.loads((directory / "launch.json").read_text())
    assert launch["root"] == str(tmp_path / "alloc-1" / "web")
    assert (launch.get("host", "127.0.0.1"), launch["port"]) == ("127.0.0.1", 23456)
    assert launch["environment"] == [{"NOMAD_ALLOC_ID": "alloc-1"}]
    assert directory.stat().st_mode & 0o777 == 0o700
    assert (directory / "launch.json").stat().st_mode & 0o777 == 0o600
    stop(plugin, config.id)


def test_vault_token_travels_over_the_socket_only(fresh, tmp_path):
    """The executor gets the token of `private/vault_token`; no file, argument, variable or state holds it."""
    secret = "hvs.very-secret"
    config = task_config(tmp_path, "token", app="shop", variable={"key": {"secret": True}})
    (tmp_path / "alloc-1/web/private/vault_token").write_text(secret + "\n")
    handle = start(fresh, config)
    events = events_of(fresh, config.id)
    shown = next(event for event in events if event.annotations["event"] == "token")
    assert shown.message == hashlib.sha256(secret.encode()).hexdigest()
    pid = executor_of(handle)
    places = [Path(f"/proc/{pid}/cmdline"), Path(f"/proc/{pid}/environ"), tmp_path / "data/plugin.log"]
    places += [path for path in state_directories(tmp_path / "data")[0].iterdir() if path.is_file()]
    texts = [path.read_bytes() for path in places] + [handle.SerializeToString()]
    assert not [text for text in texts if secret.encode() in text]
    stop(fresh, config.id)


def test_executor_gets_none_of_the_agents_environment(tmp_path):
    """The agent's own tokens stay with the agent."""
    with plugin_process(environment={"VAULT_TOKEN": "root", "AWS_SECRET_ACCESS_KEY": "x"}) as plugin:
        plugin.configure(tmp_path / "data")
        handle = start(plugin, task_config(tmp_path))
        environment = Path(f"/proc/{executor_of(handle)}/environ").read_bytes()
        stop(plugin, handle.config.id)
    assert b"VAULT_TOKEN" not in environment
    assert b"AWS" not in environment


@pytest.mark.parametrize("hole", ["missing", "empty", "symlink", "directory"])
def test_secrets_without_a_token_are_one_clear_error(plugin, tmp_path, hole):
    """A task with secrets and no usable token does not start, and no link is followed to find one."""
    config = task_config(tmp_path, variable={"key": {"secret": True}})
    token = tmp_path / "alloc-1/web/private/vault_token"
    match hole:
        case "empty":
            token.write_text("\n")
        case "symlink":
            (tmp_path / "elsewhere").write_text("stolen")
            token.symlink_to(tmp_path / "elsewhere")
        case "directory":
            token.mkdir()
    error = refused(plugin, config)
    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "Vault token" in error.details()
    assert state_directories(tmp_path / "data") == []


BAD = {
    "names no guest": {"module": None},
    "both `module` and `component`": {"component": {"c": {"source": "c.wasm"}}},
    "no `http` block": {"module": None, "component": {"c": {"source": "c.wasm"}}},
    "`http` but only a command": {"http": {"port": "http"}},
    "limits.timeout: 'soon' is no duration": {"limits": {"timeout": "soon"}},
    "limits.memory_mb: 0": {"limits": {"memory_mb": 0}},
    "variable 'v' has no value": {"variable": {"v": {}}},
    "variable 'v' is a secret and has a value": {"variable": {"v": {"secret": True, "value": "x"}}},
    "digest: 'md5:1' is no digest": {"digest": "md5:1"},
    "route 'api' does not begin with /": {
        "module": None, "http": {}, "component": {"c": {"source": "c.wasm", "route": ["api"]}},
    },
    "the group has no port 'web' (ports: http)": {
        "module": None, "http": {"port": "web"}, "component": {"c": {"source": "c.wasm"}},
    },
    "unknown key 'modul'": {"modul": "x"},
}  # fmt: skip


@pytest.mark.parametrize("words", BAD)
def test_wrong_config_is_one_clear_error(plugin, tmp_path, words):
    """What can never work is refused before any process is started, for good."""
    error = refused(plugin, task_config(tmp_path, **BAD[words]))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert words in error.details()
    assert "\n" not in error.details()
    assert state_directories(tmp_path / "data") == []


@pytest.mark.parametrize(
    ("kind", "code", "recoverable"),
    [("SecretUnavailable", "FAILED_PRECONDITION", True), ("ListenError", "FAILED_PRECONDITION", True),
     ("GuestError", "INVALID_ARGUMENT", False), ("SecretError", "FAILED_PRECONDITION", False),
     ("Newer", "UNKNOWN", False)],
)  # fmt: skip
def test_executors_error_becomes_nomads(plugin, tmp_path, kind, code, recoverable):
    """The executor's error keeps its words; one that may pass carries Nomad's RecoverableError."""
    error = refused(plugin, task_config(tmp_path, f"refuse:{kind}"))
    assert error.code() is grpc.StatusCode[code]
    assert error.details() == "refused as asked (ask otherwise)"
    details = dict(error.trailing_metadata()).get("grpc-status-details-bin", b"")
    assert (b"hashicorp.nomad.plugins.shared.structs.RecoverableError" in details) is recoverable


def test_failed_start_leaves_nothing(plugin, tmp_path):
    """No process and no state directory is left of a start that failed."""
    config = task_config(tmp_path, "refuse:GuestError", "child")
    refused(plugin, config)
    assert state_directories(tmp_path / "data") == []
    assert start(plugin, task_config(tmp_path)).config.id == config.id


def test_executor_that_dies_early_is_explained(plugin, tmp_path):
    """An executor that ends before it listens is an error with its last words."""
    error = refused(plugin, task_config(tmp_path, "crash"))
    assert error.details() == "the executor ended before the task was up: the last word"
    assert state_directories(tmp_path / "data") == []


def test_cancelled_start_leaves_nothing(fresh, tmp_path):
    """When Nomad gives up on a start, the executor goes too."""
    config = task_config(tmp_path, "hang")
    call = fresh.driver.StartTask.future(driver_pb2.StartTaskRequest(task=config))
    assert "one guest" in (event.message for event in events_of(fresh, config.id))
    (directory,) = state_directories(tmp_path / "data")
    pid = json.loads((directory / "process.json").read_text())["executor"][0]
    call.cancel()
    until(lambda: not runs(pid) and not directory.exists(), "the executor and its directory are gone")


def test_wait_gives_the_exit_code_to_everyone(plugin, tmp_path):
    """Many wait at once and later again, and all get the code."""
    config = task_config(tmp_path, "exit:7")
    start(plugin, config)
    codes = []

    def exit_code():
        return wait(plugin, config.id).result.exit_code

    waiters = [threading.Thread(target=lambda: codes.append(exit_code())) for _ in range(2)]
    for waiter in waiters:
        waiter.start()
    for waiter in waiters:
        waiter.join()
    assert [*codes, exit_code()] == [7, 7, 7]


def test_wait_for_a_killed_executor(plugin, tmp_path):
    """An executor that was killed before it wrote its exit is signal 9, exit code 137."""
    config = task_config(tmp_path, "child")
    handle = start(plugin, config)
    (directory,) = state_directories(tmp_path / "data")
    child = int(until((directory / "child").read_text, "the child is there"))
    os.kill(executor_of(handle), 9)
    result = wait(plugin, config.id).result
    assert (result.exit_code, result.signal, result.oom_killed) == (137, 9, False)
    until(lambda: not runs(child), "its children went with it")


def test_executor_without_an_exit_record_is_told_apart(plugin, tmp_path):
    """An executor that ended by itself without a word keeps its code, and the task has an error."""
    config = task_config(tmp_path, "vanish:3")
    start(plugin, config)
    answer = wait(plugin, config.id)
    assert (answer.result.exit_code, answer.result.signal) == (3, 0)
    assert answer.err.startswith("the executor ended on its own")


def test_stop_lets_the_task_end_itself(plugin, tmp_path):
    """A stop is asked for, not forced: exit code 0, no signal."""
    config = task_config(tmp_path)
    start(plugin, config)
    stop(plugin, config.id)
    result = wait(plugin, config.id).result
    assert (result.exit_code, result.signal) == (0, 0)


@pytest.mark.parametrize(("seconds", "signal"), [(0.3, ""), (0, ""), (60, "SIGKILL")])
def test_stop_ends_in_a_kill(plugin, tmp_path, seconds, signal):
    """A task that does not end in time is killed, one that is stopped with SIGKILL at once."""
    config = task_config(tmp_path, "deaf")
    handle = start(plugin, config)
    stop(plugin, config.id, seconds, signal)
    assert not runs(executor_of(handle))
    assert wait(plugin, config.id).result.signal == 9


def test_stop_and_destroy_take_unknown_tasks(plugin):
    """Nomad may ask again for what is long gone."""
    stop(plugin, "nobody")
    destroy(plugin, "nobody")


def test_destroy_removes_the_state(plugin, tmp_path):
    """A running task is destroyed by force only, and then nothing of it is left."""
    config = task_config(tmp_path)
    handle = start(plugin, config)
    with pytest.raises(grpc.RpcError) as caught:
        destroy(plugin, config.id)
    assert "still runs" in caught.value.details()
    destroy(plugin, config.id, force=True)
    assert not runs(executor_of(handle))
    assert state_directories(tmp_path / "data") == []
    with pytest.raises(grpc.RpcError) as caught:
        wait(plugin, config.id)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_inspect_lacks_no_message(plugin, tmp_path):
    """A running and an ended task both carry every message that Nomad reads."""
    config = task_config(tmp_path)
    start(plugin, config)
    for state in (driver_pb2.RUNNING, driver_pb2.EXITED):
        answer = plugin.driver.InspectTask(driver_pb2.InspectTaskRequest(task_id=config.id), timeout=TIMEOUT)
        assert answer.HasField("task")
        assert [answer.task.HasField(name) for name in ("started_at", "completed_at", "result")] == [True] * 3
        assert (answer.task.id, answer.task.name, answer.task.state) == (config.id, "web", state)
        stop(plugin, config.id)


def test_wait_lacks_no_message(plugin, tmp_path):
    """The result is there even when the code is 0 and nothing else is to say."""
    config = task_config(tmp_path, "exit:0")
    start(plugin, config)
    assert wait(plugin, config.id).HasField("result")


def test_stats_flow_until_the_task_ends(plugin, tmp_path):
    """A sample comes at once and at each interval, whole, and the stream ends with the task."""
    config = task_config(tmp_path)
    handle = start(plugin, config)
    request = driver_pb2.TaskStatsRequest(task_id=config.id)
    request.collection_interval.FromMilliseconds(100)
    stream = plugin.driver.TaskStats(request, timeout=TIMEOUT)
    for _ in range(2):
        stats = next(stream).stats
        assert stats.HasField("timestamp")
        assert stats.agg_resource_usage.memory.rss > 1 << 20
        assert str(executor_of(handle)) in stats.resource_usage_by_pid
    stop(plugin, config.id)
    list(stream)


def test_events_carry_allocation_and_task(fresh, tmp_path):
    """Nomad shows an event only with both, and those of a start that nobody listened to yet wait."""
    config = task_config(tmp_path)
    start(fresh, config)
    stream = events_of(fresh, config.id)
    events = [next(stream), next(stream), next(stream)]
    messages = [event.message for event in events]
    assert messages == ["Nomad made no cgroup: cpu and memory are not limited", "one guest", "events are on"]
    assert {(event.task_id, event.alloc_id, event.task_name) for event in events} == {
        (config.id, "alloc-1", "web")
    }
    assert all(event.HasField("timestamp") for event in events)
    stop(fresh, config.id)


def test_signal_reaches_the_executor(plugin, tmp_path):
    """A signal is handed on by name."""
    config = task_config(tmp_path)
    start(plugin, config)
    request = driver_pb2.SignalTaskRequest(task_id=config.id, signal="SIGHUP")
    plugin.driver.SignalTask(request, timeout=TIMEOUT)
    (directory,) = state_directories(tmp_path / "data")
    assert (directory / "signals").read_text() == "SIGHUP\n"
    stop(plugin, config.id)


def test_signal_that_cannot_be_delivered_is_no_error(plugin, tmp_path):
    """Nomad kills a task for a failed signal, so there is none."""
    config = task_config(tmp_path, "exit:0")
    start(plugin, config)
    wait(plugin, config.id)
    for name in ("SIGHUP", "SIGNONSENSE"):
        request = driver_pb2.SignalTaskRequest(task_id=config.id, signal=name)
        plugin.driver.SignalTask(request, timeout=TIMEOUT)


def test_networks_are_refused(plugin):
    """Nomad makes them."""
    driver = plugin.driver
    calls = [
        lambda: driver.CreateNetwork(driver_pb2.CreateNetworkRequest(), timeout=TIMEOUT),
        lambda: driver.DestroyNetwork(driver_pb2.DestroyNetworkRequest(), timeout=TIMEOUT),
    ]
    for call in calls:
        with pytest.raises(grpc.RpcError) as caught:
            call()
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def exec_streaming(plugin, *requests):
    """A streaming exec's answers."""
    return list(plugin.driver.ExecTaskStreaming(iter(requests), timeout=TIMEOUT))


def exec_setup(task_id, *command, tty=False):
    """The first message of a streaming exec."""
    request = driver_pb2.ExecTaskStreamingRequest()
    request.setup.task_id, request.setup.tty = task_id, tty
    request.setup.command.extend(command)
    return request


def test_exec_of_no_task_is_an_error(plugin):
    """An exec without a task, or without a first message that names one, is told apart."""
    unknown = exec_setup("x", "help")
    for requests, code in (
        ((unknown,), grpc.StatusCode.NOT_FOUND),
        ((driver_pb2.ExecTaskStreamingRequest(),), grpc.StatusCode.INVALID_ARGUMENT),
        ((), grpc.StatusCode.INVALID_ARGUMENT),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            exec_streaming(plugin, *requests)
        assert caught.value.code() is code


def test_exec_carries_both_ways(plugin, tmp_path):
    """What Nomad sends reaches the console in order, its output comes back, then the ends and the exit code."""
    config = task_config(tmp_path)
    start(plugin, config)
    typed, size, closed = (driver_pb2.ExecTaskStreamingRequest() for _ in range(3))
    typed.stdin.data = b"x" * 600_000  # more than one line of the control socket would hold
    size.tty_size.height, size.tty_size.width = 50, 40
    closed.stdin.close = True
    answers = exec_streaming(plugin, exec_setup(config.id, "told", "back"), size, typed, closed)
    told = json.loads(b"".join(answer.stdout.data for answer in answers))
    assert told == {"command": ["told", "back"], "tty": False, "sizes": [[50, 40]], "stdin": 600_000}
    assert [answer.stdout.close for answer in answers].count(True) == 1
    assert [answer.stderr.close for answer in answers].count(True) == 1
    assert (answers[-1].exited, answers[-1].result.exit_code) == (True, 7)


def test_exec_that_breaks_off_is_an_error(plugin, tmp_path):
    """A console whose executor ends in the middle is an error, not an exit code."""
    config = task_config(tmp_path)
    start(plugin, config)
    with pytest.raises(grpc.RpcError) as caught:
        exec_streaming(plugin, exec_setup(config.id, "break"))
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "broke off" in caught.value.details()
