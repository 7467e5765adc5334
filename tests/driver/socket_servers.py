"""Servers for guests with sockets: over TCP and UDP, each answers `ping` with `echo ping`."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

TOGETHER = 6


@dataclass(frozen=True, slots=True)
class Servers:
    """The ports on loopback: two over TCP, two over UDP; `heard` is what came to each.

    `together` is over TCP, too, and answers when as many as `TOGETHER` have asked.
    """

    tcp: int
    other_tcp: int
    together: int
    udp: int
    other_udp: int
    heard: dict[int, list[bytes]]


class _Tcp(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        said = self.rfile.read()
        self.server.heard.append(said)  # type: ignore[attr-defined]
        if self.server.meet is not None:  # type: ignore[attr-defined]
            self.server.meet.wait()  # type: ignore[attr-defined]
        self.wfile.write(b"echo " + said)


class _Udp(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        said, answering = self.request
        self.server.heard.append(said)  # type: ignore[attr-defined]
        if said == b"knock":
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                stranger.sendto(b"a stranger", self.client_address)
        answering.sendto(b"echo " + said, self.client_address)


class _TcpServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128
    meet: threading.Barrier | None = None


class _Together(_TcpServer):
    meet = threading.Barrier(TOGETHER, timeout=60)


@contextmanager
def servers() -> Iterator[Servers]:
    """All of them, for the time of the block."""
    with ExitStack() as running:
        heard: dict[int, list[bytes]] = {}

        def start(server: socketserver.BaseServer) -> int:
            running.callback(server.server_close)
            server.heard = []  # type: ignore[attr-defined]
            threading.Thread(target=server.serve_forever, daemon=True).start()
            running.callback(server.shutdown)
            port = int(server.server_address[1])  # type: ignore[index]
            heard[port] = server.heard  # type: ignore[attr-defined]
            return port

        here = ("127.0.0.1", 0)
        tcp = [start(kind(here, _Tcp)) for kind in (_TcpServer, _TcpServer, _Together)]
        udp = [start(socketserver.UDPServer(here, _Udp)) for _ in range(2)]
        yield Servers(*tcp, *udp, heard)
