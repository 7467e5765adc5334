"""Which ports a stack's members listen on."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from wasmdeploy_cli.errors import StackError

HOST = "127.0.0.1"

_STANDARD = {
    "consul.http": 8500,
    "consul.server": 8300,
    "consul.serf": 8301,
    "vault.http": 8200,
    "vault.cluster": 8201,
    "nomad.http": 4646,
    "nomad.rpc": 4647,
    "nomad.serf": 4648,
    "traefik.web": 8088,
    "traefik.admin": 8089,
}
# Below the kernel's ephemeral ports and Nomad's dynamic ones: when a crashed member comes back, no outgoing
# connection sits on its port.
_FREE_RANGE = range(10000, 20000)
_DYNAMIC_RANGE = range(20000, 32000)
DYNAMIC_SIZE = 400


def wanted(clients: int) -> dict[str, int]:
    """Each port by name with its standard number; `client-<n>.dynamic` is the first of a client's range."""
    ports = dict(_STANDARD)
    for number in range(1, clients + 1):
        ports[f"client-{number}.http"] = _STANDARD["nomad.http"] + 10 * number
        ports[f"client-{number}.dynamic"] = _DYNAMIC_RANGE.start + DYNAMIC_SIZE * (number - 1)
        if number > 1:
            ports[f"consul-{number}.http"] = _STANDARD["consul.http"] + 10 * (number - 1)
            ports[f"consul-{number}.serf"] = _STANDARD["consul.serf"] + 10 * (number - 1)
    return ports


def chosen(
    standard: Mapping[str, int],
    kept: Mapping[str, int],
    is_free: Callable[[int], bool],
    auto: bool = False,
    pick: Callable[[range], int] = random.choice,
) -> dict[str, int]:
    """A free port for each name: the kept one, else the standard one unless `auto`, else any.

    A dynamic range is free when nothing listens on any of its ports.
    """
    ports: dict[str, int] = {}

    def usable(name: str, port: int) -> bool:
        size = DYNAMIC_SIZE if name.endswith(".dynamic") else 1
        return port not in ports.values() and all(is_free(each) for each in range(port, port + size))

    for name, number in standard.items():
        first = [kept[name]] if name in kept else []
        first += [] if auto else [number]
        candidates = _dynamic(pick) if name.endswith(".dynamic") else _others(pick)
        ports[name] = next((port for port in first if usable(name, port)), 0) or next(
            (port for port in candidates if usable(name, port)), 0
        )
        if not ports[name]:
            raise StackError(f"no free port for {name} was found", "stop what listens on this machine")
    return ports


def _others(pick: Callable[[range], int]) -> Iterable[int]:
    return (pick(_FREE_RANGE) for _ in range(1000))


def _dynamic(pick: Callable[[range], int]) -> Iterable[int]:
    starts = range(_DYNAMIC_RANGE.start, _DYNAMIC_RANGE.stop, DYNAMIC_SIZE)
    offset = starts.index(pick(starts))
    return (starts[(offset + step) % len(starts)] for step in range(len(starts)))


def listening(tables: Iterable[str]) -> frozenset[int]:
    """The local ports in /proc/net tables: listening TCP sockets and every UDP socket."""
    ports = set()
    for table in tables:
        for line in table.splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            if state in {"0A", "07"}:  # TCP_LISTEN; a UDP socket is always "07"
                ports.add(int(local.rsplit(":", 1)[1], 16))
    return frozenset(ports)


def free_now() -> Callable[[int], bool]:
    """A test for ports that nothing listens on at this moment."""
    tables = (Path("/proc/net") / name for name in ("tcp", "tcp6", "udp", "udp6"))
    used = listening(table.read_text() for table in tables if table.exists())

    def is_free(port: int) -> bool:
        if port in used:
            return False
        if port in _DYNAMIC_RANGE:  # 400 binds would tell no more than the table
            return True
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                return False
        return True

    return is_free
