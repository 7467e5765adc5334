"""The logs of all of an app's instances in one stream."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from wasmdeploy_cli.deployment.target import Target
from wasmdeploy_cli.errors import ClusterError
from wasmdeploy_cli.nomad import Nomad, Settings
from wasmdeploy_cli.nomad.logs import LogClient, Stream

_STREAMS: tuple[Stream, ...] = ("stdout", "stderr")
_LOOK_AGAIN = 2.0


@dataclass(frozen=True, slots=True)
class Line:
    """One line that one instance wrote."""

    allocation: str
    stream: Stream
    text: str


def read_lines(nomad: Nomad, settings: Settings, target: Target, follow: bool) -> Iterator[Line]:
    """Every line there is, instance by instance; with `follow`, new lines and new instances as they come."""
    if not follow:
        client = LogClient(settings, target.namespace)
        try:
            for allocation, task in _running(nomad, target):
                for stream in _STREAMS:
                    yield from _lines(client, allocation, task, stream, follow=False)
        finally:
            client.close()
        return
    yield from _Follower(nomad, settings, target).lines()


def _running(nomad: Nomad, target: Target) -> list[tuple[str, str]]:
    return [
        (each["ID"], task)
        for each in sorted(nomad.allocations(target.name), key=lambda item: item["CreateTime"])
        if each["ClientStatus"] in ("running", "failed")
        for task in each.get("TaskStates") or {}
    ]


def _lines(client: LogClient, allocation: str, task: str, stream: Stream, *, follow: bool) -> Iterator[Line]:
    for raw in client.lines(allocation, task, stream, follow=follow):
        yield Line(allocation, stream, raw.decode(errors="replace"))


class _Follower:
    """A thread for each stream of each instance, all into one queue."""

    def __init__(self, nomad: Nomad, settings: Settings, target: Target) -> None:
        self._nomad = nomad
        self._settings = settings
        self._target = target
        self._queue: queue.Queue[Line | ClusterError] = queue.Queue(1000)
        self._followed: set[str] = set()

    def lines(self) -> Iterator[Line]:
        looked = 0.0
        while True:
            if time.monotonic() - looked > _LOOK_AGAIN:
                looked = time.monotonic()
                self._follow_new()
            try:
                line = self._queue.get(timeout=_LOOK_AGAIN)
            except queue.Empty:
                continue
            if isinstance(line, ClusterError):
                raise line
            yield line

    def _follow_new(self) -> None:
        for allocation, task in _running(self._nomad, self._target):
            if allocation not in self._followed:
                self._followed.add(allocation)
                for stream in _STREAMS:
                    self._start(lambda a=allocation, t=task, s=stream: self._pump(a, t, s))  # type: ignore[misc]

    def _start(self, target: Callable[[], None]) -> None:
        threading.Thread(target=target, daemon=True).start()

    def _pump(self, allocation: str, task: str, stream: Stream) -> None:
        client = LogClient(self._settings, self._target.namespace)
        try:
            for line in _lines(client, allocation, task, stream, follow=True):
                self._queue.put(line)
        except ClusterError as error:
            self._queue.put(error)
        finally:
            client.close()
