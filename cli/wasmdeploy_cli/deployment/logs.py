"""The logs of all of an app's instances in one stream."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from wasmdeploy_cli.deployment.target import Target
from wasmdeploy_cli.errors import ClusterError
from wasmdeploy_cli.nomad import Nomad, Settings
from wasmdeploy_cli.nomad.logs import LogClient, Stream

_LOOK_AGAIN = 2.0
_PATIENCE = 60.0  # seconds that Nomad may be away while it is followed


@dataclass(frozen=True, slots=True)
class Line:
    """One line that one instance wrote."""

    allocation: str
    stream: Stream
    text: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which streams; only the last `tail` lines of each; only those written to in the last `since` seconds."""

    streams: tuple[Stream, ...] = ("stdout", "stderr")
    tail: int | None = None
    since: float | None = None


def read_lines(
    nomad: Nomad, settings: Settings, target: Target, wanted: Wanted, *, follow: bool
) -> Iterator[Line]:
    """Every line there is, instance by instance; with `follow`, new lines and new instances as they come."""
    if follow:
        yield from _Follower(nomad, settings, target, wanted).lines()
        return
    client = LogClient(settings, target.namespace)
    try:
        for allocation, task, stream in _streams(nomad, client, target, wanted):
            lines = client.lines(allocation, task, stream, follow=False)
            for raw in lines if wanted.tail is None else deque(lines, wanted.tail):
                yield Line(allocation, stream, raw.decode(errors="replace"))
    finally:
        client.close()


def _streams(
    nomad: Nomad, client: LogClient, target: Target, wanted: Wanted
) -> Iterator[tuple[str, str, Stream]]:
    found = nomad.allocations(target.name) or [
        each for run in nomad.children(target.name) for each in nomad.allocations(run["ID"])
    ]
    for each in sorted(found, key=lambda each: each["CreateTime"]):
        ended = (
            each["ClientStatus"] == "complete" and each["JobType"] != "service"
        )  # a command, and its result
        if not ended and each["ClientStatus"] not in ("running", "failed"):
            continue
        for task in each.get("TaskStates") or {}:
            for stream in wanted.streams:
                written = client.written(each["ID"], task, stream) if wanted.since is not None else None
                if wanted.since is None or (written and time.time() - written <= wanted.since):
                    yield each["ID"], task, stream


class _Follower:
    """A thread for each stream of each instance, all into one queue."""

    def __init__(self, nomad: Nomad, settings: Settings, target: Target, wanted: Wanted) -> None:
        self._nomad = nomad
        self._settings = settings
        self._target = target
        self._wanted = wanted
        self._queue: queue.Queue[Line | ClusterError] = queue.Queue(1000)
        self._followed: set[tuple[str, str, Stream]] = set()

    def lines(self) -> Iterator[Line]:
        looked, answered = 0.0, time.monotonic()
        while True:
            if time.monotonic() - looked > _LOOK_AGAIN:
                looked = time.monotonic()
                try:
                    self._follow_new()
                    answered = looked
                except ClusterError:
                    if looked - answered > _PATIENCE:
                        raise
            try:
                line = self._queue.get(timeout=_LOOK_AGAIN)
            except queue.Empty:
                continue
            if isinstance(line, ClusterError):
                raise line
            yield line

    def _follow_new(self) -> None:
        client = LogClient(self._settings, self._target.namespace)
        try:
            for place in _streams(self._nomad, client, self._target, self._wanted):
                if place not in self._followed:
                    self._followed.add(place)
                    threading.Thread(target=self._pump, args=place, daemon=True).start()
        finally:
            client.close()

    def _pump(self, allocation: str, task: str, stream: Stream) -> None:
        """Hand on one stream's lines; where Nomad goes away, go on behind the last whole line once it is back."""
        client = LogClient(self._settings, self._target.namespace)
        offset, broken = 0, None
        try:
            offset = self._tail(client, allocation, task, stream)
            while True:
                try:
                    for raw in client.lines(allocation, task, stream, follow=True, offset=offset):
                        offset, broken = offset + len(raw) + 1, None
                        self._queue.put(Line(allocation, stream, raw.decode(errors="replace")))
                    return
                except ClusterError as error:
                    broken = broken or time.monotonic()
                    if time.monotonic() - broken > _PATIENCE:
                        self._queue.put(error)
                        return
                    time.sleep(_LOOK_AGAIN)
        except ClusterError as error:
            self._queue.put(error)
        finally:
            client.close()

    def _tail(self, client: LogClient, allocation: str, task: str, stream: Stream) -> int:
        """Hand on the last lines where only those are wanted; gives the offset behind what was passed over."""
        if self._wanted.tail is None:
            return 0
        offset = 0
        last: deque[bytes] = deque(maxlen=self._wanted.tail)
        for raw in client.lines(allocation, task, stream, follow=False):
            offset += len(raw) + 1
            last.append(raw)
        for raw in last:
            self._queue.put(Line(allocation, stream, raw.decode(errors="replace")))
        return offset
