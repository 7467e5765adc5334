"""The plugin's life: handshake, companions, end."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import grpc  # Nomad's side of the connection
import pytest
from google.protobuf.empty_pb2 import Empty

from tests.driver.plugin_process import TIMEOUT, plugin_process, until
from wasmdeploy_driver.plugin.proto import grpc_broker_pb2, grpc_broker_pb2_grpc, grpc_stdio_pb2_grpc


@pytest.fixture(scope="module")
def plugin():
    with plugin_process() as started:
        yield started


def test_handshake_is_the_first_line(plugin):
    """go-plugin reads core protocol, app protocol, network, address and `grpc` from the first line."""
    core, app, network, address, kind, rest = plugin.line.split("|")
    assert (core, app, network, kind, rest) == ("1", "2", "unix", "grpc", "\n")
    assert len(address.encode()) < 108
    print(f"handshake after {plugin.seconds:.3f} s")


def test_socket_is_for_this_user_only(plugin):
    """The socket's directory is closed to others: nothing else guards it."""
    assert plugin.socket.parent.stat().st_mode & 0o777 == 0o700


def test_heavy_libraries_stay_out(plugin):
    """wasmtime, hvac and httptools are not loaded: the handshake would wait for them."""
    loaded = Path(f"/proc/{plugin.process.pid}/maps").read_text()
    assert "grpc" in loaded
    assert not [name for name in ("wasmtime", "httptools") if name in loaded]
    code = "import sys, wasmdeploy_driver.plugin; print(*sys.modules)"
    modules = set(subprocess.check_output([sys.executable, "-c", code], text=True).split())
    assert modules & {"hvac", "wasmtime", "httptools", "psutil"} == set()


def test_it_takes_all_descriptors_that_it_may_have():
    """A thousand tasks need more than the 1,024 that a process has at first."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 1024), hard))
    try:
        with plugin_process() as plugin:
            assert resource.prlimit(plugin.process.pid, resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_without_the_cookie_it_says_what_it_is():
    """Started by a person, it explains itself and fails."""
    done = subprocess.run(
        [sys.executable, "-m", "wasmdeploy_driver.plugin"], capture_output=True, text=True, check=False,
        env={name: value for name, value in os.environ.items() if name != "NOMAD_PLUGIN_MAGIC_COOKIE"},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert "Nomad plugin" in done.stderr


def test_health_is_serving(plugin):
    """go-plugin's ping asks gRPC's health service about `plugin`."""
    check = plugin.channel.unary_unary("/grpc.health.v1.Health/Check")
    assert check(b"\x0a\x06plugin", timeout=TIMEOUT) == b"\x08\x01"


def test_stdio_stays_open(plugin):
    """The stdio stream neither ends nor fails while Nomad listens."""
    stream = grpc_stdio_pb2_grpc.GRPCStdioStub(plugin.channel).StreamStdio(Empty(), timeout=0.5)
    with pytest.raises(grpc.RpcError) as caught:
        next(stream)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_broker_ends_with_its_caller(plugin):
    """The broker stream reads what comes and ends when Nomad closes it."""
    stream = grpc_broker_pb2_grpc.GRPCBrokerStub(plugin.channel).StartStream(
        iter([grpc_broker_pb2.ConnInfo(service_id=1)]), timeout=TIMEOUT
    )
    assert list(stream) == []


def test_shutdown_ends_the_process_at_once():
    """After Shutdown the process is gone, with status 0 and without its socket directory."""
    with plugin_process() as plugin:
        plugin.shutdown()
        # Nomad waits for two seconds; a busy machine is told by how long the start took.
        assert plugin.process.wait(max(2.0, 5 * plugin.seconds)) == 0
        assert not plugin.socket.parent.exists()


def test_interrupts_are_ignored():
    """Ctrl-C at the agent's terminal reaches the plugin too, and is not meant for it."""
    with plugin_process() as plugin:
        plugin.process.send_signal(signal.SIGINT)
        plugin.process.send_signal(signal.SIGHUP)
        test_health_is_serving(plugin)


def test_socket_of_a_killed_plugin_is_cleared_by_the_next():
    """A SIGKILL leaves the socket's directory; the next plugin removes it, and never a living one's."""
    with plugin_process() as killed, plugin_process() as living:
        killed.kill()
        assert killed.socket.exists()
        with plugin_process():
            until(lambda: not killed.socket.parent.exists(), "the directory is removed")
            assert living.socket.exists()
