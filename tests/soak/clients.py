"""Clients that want one answer of an app, again and again, and keep what else they get."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.e2e.nomad_jobs import ServedApp

CONNECTIONS = 8


@dataclass
class Clients:
    """Clients that ask an app; `failures` are the answers that were not right."""

    app: ServedApp
    answers: int = 0
    failures: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def asking(self) -> Iterator[None]:
        """For the time of the block; the counts are final once it has ended."""
        with self._each(self._ask_on):
            try:
                yield
            finally:
                self._stop.set()

    def ask_at_once(self) -> None:
        """Each of them asks once, all at the same time."""
        with self._each(self._ask):
            pass

    @contextmanager
    def _each(self, work: Callable[[], None]) -> Iterator[None]:
        threads = [threading.Thread(target=work) for _ in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            for thread in threads:
                thread.join()

    def _ask_on(self) -> None:
        while not self._stop.is_set():
            if not self._ask():
                time.sleep(0.05)

    def _ask(self) -> bool:
        try:
            body = self.app.ask(self.app.path)
        except (OSError, http.client.HTTPException) as error:
            self.failures.append(f"{self.app.name}: {error!r}")
            return False
        self.answers += 1
        if body != self.app.body:
            self.failures.append(f"{self.app.name}: {body[:80]!r}")
        return True
