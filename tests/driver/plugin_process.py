"""A plugin process as Nomad starts one, and what Nomad sends it."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import grpc  # Nomad's side of the connection
import msgpack

from wasmdeploy_driver.plugin.proto import (
    base_pb2,
    base_pb2_grpc,
    driver_pb2,
    driver_pb2_grpc,
    grpc_controller_pb2,
    grpc_controller_pb2_grpc,
)
from wasmdeploy_driver.plugin.serve import COOKIE, COOKIE_VALUE

FAKE_EXECUTOR = (sys.executable, str(Path(__file__).with_name("fake_executor.py")))
_START = "import sys; from wasmdeploy_driver.plugin import main; main(sys.argv[1:])"
TIMEOUT = 60.0


@dataclass
class Plugin:
    """One plugin process, and Nomad's stubs for it."""

    process: subprocess.Popen[bytes]
    line: str
    seconds: float  # from its start to the handshake line
    channel: grpc.Channel

    @property
    def base(self):
        return base_pb2_grpc.BasePluginStub(self.channel)

    @property
    def driver(self):
        return driver_pb2_grpc.DriverStub(self.channel)

    @property
    def socket(self) -> Path:
        return Path(self.line.split("|")[3])

    def configure(self, data_dir: Path, **config) -> None:
        request = base_pb2.SetConfigRequest(
            msgpack_config=msgpack.packb({"data_dir": str(data_dir), **config})
        )
        request.nomad_config.driver.ClientMinPort = 14000
        self.base.SetConfig(request, timeout=TIMEOUT)

    def shutdown(self) -> None:
        grpc_controller_pb2_grpc.GRPCControllerStub(self.channel).Shutdown(
            grpc_controller_pb2.Empty(), timeout=TIMEOUT
        )

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(TIMEOUT)


@contextlib.contextmanager
def plugin_process(*command: str, environment: dict[str, str] | None = None, stderr=None):
    """Start the plugin, do the handshake, and end the process afterwards."""
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", _START, *(command or FAKE_EXECUTOR)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        env={**os.environ, COOKIE: COOKIE_VALUE, **(environment or {})},
    )
    line = process.stdout.readline().decode()
    seconds = time.monotonic() - began
    channel = grpc.insecure_channel(f"unix:{line.split('|')[3]}")
    try:
        yield Plugin(process, line, seconds, channel)
    finally:
        channel.close()
        process.kill()
        process.wait(TIMEOUT)
        process.stdout.close()


def task_config(directory: Path, *wishes: str, **config):
    """A TaskConfig as Nomad fills one, its id unique to `directory`; `wishes` are for the fake executor."""
    task = directory / "alloc-1" / "web"
    (task / "private").mkdir(parents=True, exist_ok=True)
    data = {"module": "local/job.wasm", "args": list(wishes), **config}
    return driver_pb2.TaskConfig(
        id=f"alloc-1/web/{directory.name}",
        name="web",
        alloc_id="alloc-1",
        alloc_dir=str(directory / "alloc-1"),
        stdout_path=str(directory / "stdout"),
        stderr_path=str(directory / "stderr"),
        msgpack_driver_config=msgpack.packb(nomad_config(data)),
        env={"NOMAD_ALLOC_ID": "alloc-1", "NOMAD_TOKEN": "an identity", "PATH": "/bin"},
        resources=driver_pb2.Resources(
            linux_resources=driver_pb2.LinuxResources(memory_limit_bytes=1 << 28, cpu_shares=100),
            ports=[driver_pb2.PortMapping(label="http", value=23456, to=8080, host_ip="127.0.0.1")],
        ),
    )


def nomad_config(data):
    """A task's config as Nomad encodes it: every key of the spec is there, absent ones as nil, [] or {}."""
    lists, maps = ("dir",), ("component", "variable")
    keys = ("app", "namespace", "module", "digest", "args", "env", "http", "limits")
    whole = {**dict.fromkeys(keys), **{key: [] for key in lists}, **{key: {} for key in maps}}
    return {**whole, **data}


def until(condition, what: str, seconds: float = TIMEOUT):
    """Ask until the condition holds and return its value; fails when it does not in time."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"in {seconds:g} s it did not happen: {what}"
        time.sleep(0.01)
    return value


def runs(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False
