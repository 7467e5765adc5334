"""Which of a task's processes the kernel ends first when the task's memory is full."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

# Under memory pressure the kernel ends an engine process, which costs a request, and not the front.
ENGINE_SCORE = 500


def volunteer(score: int) -> None:
    """Let this process be ended before those with a lower score (0 is everybody's, 1000 the most)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(score))


class OwnScore:
    """This process's score; kept open, for a process that is confined cannot open it."""

    def __init__(self) -> None:
        self._file = os.open("/proc/self/oom_score_adj", os.O_RDWR | os.O_CLOEXEC)

    @contextlib.contextmanager
    def lent(self, score: int) -> Iterator[None]:
        """What is started meanwhile has this score, and so has this process for as long."""
        own = os.pread(self._file, 16, 0)
        with contextlib.suppress(OSError):
            os.pwrite(self._file, str(score).encode(), 0)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                os.pwrite(self._file, own, 0)
