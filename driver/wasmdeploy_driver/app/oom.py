"""Which of a task's processes the kernel ends first when the task's memory is full."""

from __future__ import annotations

import contextlib
from pathlib import Path


def volunteer(score: int) -> None:
    """Let this process be ended before those with a lower score (0 is everybody's, 1000 the most)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(score))
