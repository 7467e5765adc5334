"""`python intruder.py STEP DIRECTORY`: what code could still do that has taken over a process of an executor.

It takes the steps of a real one up to STEP (begin, stem, front, engine), tries everything, and prints as JSON what
worked.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from wasmdeploy_driver.executor import confine
from wasmdeploy_driver.executor.files import open_dirs
from wasmdeploy_driver.executor.launch import Isolation, Launch, Volume
from wasmdeploy_driver.guest.preopen import Preopen
from wasmdeploy_driver.task import Task


def launch_in(directory: Path, isolation: Isolation) -> Launch:
    """A task's launch with all its directories."""
    task, shared = directory / "alloc" / "web", directory / "alloc" / "alloc"
    volumes = (Volume(directory / "volume", "/volume"), Volume(directory / "books", "/books", readonly=True))
    return Launch(
        "alloc/web/1", Task(module="local/x.wasm"), task, directory / "cache", shared / "logs" / "out",
        shared / "logs" / "err", shared=shared, volumes=volumes, isolation=isolation,
    )  # fmt: skip


def main() -> None:
    step, directory = sys.argv[1], Path(sys.argv[2])
    isolation = Isolation(*map(int, sys.argv[3:5])) if len(sys.argv) > 3 else Isolation()
    launch = launch_in(directory, isolation)
    described, state = json.loads(launch.to_json()), directory / "state"
    outsider = int((directory / "outsider").read_text())
    opened = os.open(state, os.O_RDONLY | os.O_DIRECTORY)
    code = os.open(directory / "cache" / "mine.cwasm", os.O_RDONLY)
    flags = os.O_RDONLY | os.O_DIRECTORY
    dirs = (
        Preopen(os.open(launch.root / "local", flags), "/data", False),
        Preopen(os.open(launch.root / "fixed", flags), "/fixed", True),
    )
    confine.apart()
    confine.begin(described, state)
    dirs += open_dirs(launch, ())
    if step == "stem":
        confine.as_stem(described)
    elif step == "front":
        confine.Settled(launch, isolation, opened, (code,), dirs)()
    elif step == "engine":
        confine.as_stem(described)
        confine.as_engine((code,), dirs, looks_up=False)

    def reading(path: object) -> Callable[[], object]:
        return lambda: os.read(os.open(path, os.O_RDONLY | os.O_NONBLOCK), 1)

    def making(path: Path) -> Callable[[], object]:
        return lambda: path.write_text("taken")

    def connecting() -> None:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(f"\0wasmdeploy-outsider-{outsider}")

    def calling(number: int, *arguments: int) -> Callable[[], object]:
        def call() -> None:
            if ctypes.CDLL(None, use_errno=True).syscall(number, *arguments) < 0:
                raise OSError(ctypes.get_errno(), "refused")

        return call

    tries: dict[str, Callable[[], object]] = {
        "read own code": reading(f"/proc/self/fd/{code}"),
        "read own directory": reading(launch.root / "local" / "file"),
        "write own directory": making(launch.root / "local" / "new"),
        "write readonly directory": making(launch.root / "fixed" / "new"),
        "write volume": making(directory / "volume" / "new"),
        "read readonly volume": reading(directory / "books" / "file"),
        "write readonly volume": making(directory / "books" / "new"),
        "read other code": reading(directory / "cache" / "other.cwasm"),
        "write cache": making(directory / "cache" / "new.cwasm"),
        "read vault token": reading(launch.root / "private" / "vault_token"),
        "read secrets": reading(launch.root / "secrets" / "token"),
        "write task directory": making(launch.root / "new"),
        "read state": reading(state / "launch.json"),
        "write state": making(state / "process.json"),
        "read sibling": reading(directory / "alloc" / "other" / "local" / "file"),
        "write alloc": making(directory / "alloc" / "alloc" / "new"),
        "read other task": reading(directory / "other-state" / "launch.json"),
        "list tasks": lambda: list(directory.iterdir()),
        "read home": lambda: os.listdir("/root"),  # noqa: PTH208
        "read names": reading("/etc/hosts"),
        "write kernel": lambda: os.close(os.open("/proc/sys/kernel/core_pattern", os.O_WRONLY)),
        "write cgroups": lambda: os.close(os.open("/sys/fs/cgroup/cgroup.procs", os.O_WRONLY)),
        "agent's environment": reading(f"/proc/{outsider}/environ"),
        "agent's memory": reading(f"/proc/{outsider}/maps"),
        "agent's files": lambda: Path(f"/proc/{outsider}/fd/0").readlink(),
        "agent's root": lambda: os.listdir(f"/proc/{outsider}/root/root"),  # noqa: PTH208
        "signal": lambda: os.kill(outsider, 0),
        "signal by pidfd": lambda: signal.pidfd_send_signal(os.pidfd_open(outsider), 0),
        "ptrace": calling(101, 16, outsider, 0, 0),
        "abstract socket": connecting,
        "raw socket": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close(),
        "kernel crypto": lambda: socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET).close(),
        "mount": calling(165, 0, 0, 0, 0, 0),
        "user namespace": calling(272, 0x10000000),
        "become root": lambda: os.setuid(0) if os.getuid() else os.setgroups([0]),
        "start a program": lambda: subprocess.run(["/bin/true"], check=True),
        "root by a program": lambda: subprocess.run(["su", "-c", "true"], check=True, capture_output=True, stdin=-3),
        "internet socket": lambda: socket.create_server(("127.0.0.1", 0)).close(),
        "thread": lambda: __import__("threading").Thread(target=int).start(),
    }  # fmt: skip
    worked = []
    for name, attempt in tries.items():
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            attempt()
            worked.append(name)
    print(json.dumps(worked))


main()
