"""A thousand seeded mutations of what reaches the plugin: each an error or an answer, and the plugin lives on."""

import json
import random
from collections import Counter

import grpc  # Nomad's side of the connection
import msgpack
import pytest

from tests.driver import mutations
from tests.driver.plugin_process import TIMEOUT, nomad_config, plugin_process, task_config
from wasmdeploy_driver.plugin.proto import driver_pb2

SEED = 20_251
APP = {
    "app": "hello", "namespace": "default", "module": None, "args": [], "env": [{"A": "b"}],
    "http": {"port": "http"}, "dir": [],
    "component": {"web": {
        "source": "local/a.wasm", "digest": "sha256:" + "0" * 64, "route": ["/..."], "executor": "wagi", "args": ["x"],
        "environment": [{"A": "{{ color }}"}], "variables": [], "allowed_outbound_hosts": ["https://example.com"],
        "dir": [{"host": "local", "guest": "/data", "readonly": True}], "isolation": "request", "max_requests": 5,
        "max_idle": "5s",
    }},
    "variable": {"color": {"value": "green", "secret": None, "vault": None}},
    "limits": {"memory_mb": 64, "timeout": "5s"},
}  # fmt: skip
# What a call may end with; anything else is an exception that nobody meant.
MEANT = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.ABORTED,
}


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    with plugin_process() as started:
        started.configure(tmp_path_factory.mktemp("data"))
        yield started
        assert started.process.poll() is None
        capable = started.driver.Capabilities(driver_pb2.CapabilitiesRequest(), timeout=TIMEOUT)
        assert capable.capabilities.exec


def outcome(call, request):
    """How a call ended: `answered`, or the code of its error, which must be one that is meant."""
    try:
        call(request, timeout=TIMEOUT)
    except grpc.RpcError as refused:
        error = refused
    else:
        return "answered"
    assert error.code() in MEANT, f"{error.code()}: {error.details()}\n{request}"
    assert error.details()
    assert "\n" not in error.details()
    return error.code().name


def destroy(plugin, task_id):
    plugin.driver.DestroyTask(driver_pb2.DestroyTaskRequest(task_id=task_id, force=True), timeout=TIMEOUT)


def test_task_configs(plugin, tmp_path):
    """400 damaged task configs, by value and by byte: those that still make a task start it, the others are refused."""
    chance, ends = random.Random(SEED), Counter()
    whole = nomad_config(APP)
    for number in range(400):
        config = task_config(tmp_path)
        if number % 4:
            damaged = mutations.value_of(chance, whole)
            packed = msgpack.packb(damaged, unicode_errors="surrogatepass") if fits(damaged) else b"\xc1"
        else:
            packed = mutations.bytes_of(chance, msgpack.packb(whole))
        config.msgpack_driver_config = packed
        end = outcome(plugin.driver.StartTask, driver_pb2.StartTaskRequest(task=config))
        if end == "answered":
            destroy(plugin, config.id)
        ends[end] += 1
    assert ends["INVALID_ARGUMENT"] > 200, ends


def fits(value):
    """Whether msgpack can hold it."""
    try:
        msgpack.packb(value, unicode_errors="surrogatepass")
    except (OverflowError, ValueError):
        return False
    return True


def test_other_fields_of_a_task(plugin, tmp_path):
    """100 damaged fields of the request beside the config: names, directories, ports."""
    chance, ends = random.Random(SEED), Counter()
    texts = ("", ".", "..", "a/b", "\0", "/", "x" * 5000, "ü\n", "../../x", "relative")
    for _ in range(100):
        config = task_config(tmp_path, module="", **{name: APP[name] for name in ("http", "component")})
        match chance.choice(
            ("name", "alloc_dir", "stdout_path", "user", "port", "netns", "cgroup", "id", "none")
        ):
            case "port":
                config.resources.ports[0].value = chance.choice((-1, 0, 1 << 20))
            case "netns":
                config.network_isolation_spec.path = chance.choice(texts)
            case "cgroup":
                config.resources.linux_resources.cpuset_cgroup = chance.choice(texts)
            case "none":
                config.ClearField("resources")
            case field:
                setattr(config, field, chance.choice(texts))
        end = outcome(plugin.driver.StartTask, driver_pb2.StartTaskRequest(task=config))
        if end == "answered":
            destroy(plugin, config.id)
        ends[end] += 1
    assert ends["INVALID_ARGUMENT"] > 10, ends


def test_stored_states(plugin, tmp_path):
    """300 damaged states of a task that Nomad hands back: refused, or a task that has ended."""
    chance, ends = random.Random(SEED), Counter()
    # Beyond what pids go to, so that no damage makes it another process's; the same damage wherever tests run.
    whole = {
        "version": 1, "pid": 5_000_000, "start_time": 1234, "boot_id": "a boot", "directory": "/nowhere/tasks/state",
        "started_at": 1_700_000_000.5, "cgroup": "", "oom_kills": 0,
    }  # fmt: skip
    odd = tuple(each for each in (*mutations._ODD, 5_000_001) if not isinstance(each, bytes))
    for number in range(300):
        if number % 3:
            state = json.dumps(mutations.value_of(chance, whole, odd)).encode()
        else:
            state = mutations.bytes_of(chance, json.dumps(whole).encode())
        config = task_config(tmp_path)
        config.id = f"alloc-1/web/{number}"
        handle = driver_pb2.TaskHandle(config=config, driver_state=state)
        end = outcome(plugin.driver.RecoverTask, driver_pb2.RecoverTaskRequest(handle=handle))
        if end == "answered":
            wait = plugin.driver.WaitTask(driver_pb2.WaitTaskRequest(task_id=config.id), timeout=TIMEOUT)
            assert wait.result.exit_code
            inspect = driver_pb2.InspectTaskRequest(task_id=config.id)
            assert plugin.driver.InspectTask(inspect, timeout=TIMEOUT).task.HasField("completed_at")
        ends[end] += 1
    assert ends["INVALID_ARGUMENT"] > 100, ends


def test_frames_of_an_executor(plugin, tmp_path):
    """200 damaged frames from an executor that a guest has taken over: an error for the call, never for the plugin."""
    config = task_config(tmp_path, f"garbage:{SEED}")
    plugin.driver.StartTask(driver_pb2.StartTaskRequest(task=config), timeout=TIMEOUT)
    ends = Counter()
    for _ in range(100):
        execute = driver_pb2.ExecTaskRequest(task_id=config.id, command=["help"])
        execute.timeout.FromSeconds(5)
        ends[outcome(plugin.driver.ExecTask, execute)] += 1
        inspect = driver_pb2.InspectTaskRequest(task_id=config.id)
        assert outcome(plugin.driver.InspectTask, inspect) == "answered"
    assert ends["FAILED_PRECONDITION"] > 30, ends
    destroy(plugin, config.id)
