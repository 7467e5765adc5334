"""`python -OO -m wasmdeploy_driver.forkserver SOCKET ROOM`: what the runner starts once for each plugin.

ROOM is as long as the command lines that its executors show. `-OO` leaves docstrings out: what executors write to lies
closer together then, and each copies half a megabyte less.
"""

import os
import resource
import socket
import sys
from importlib.util import cache_from_source
from pathlib import Path

_COMPILED = Path(cache_from_source(str(Path(__file__).with_name("preload.py"))))


def _load() -> None:
    """Load what executors use; where Python has just compiled it, once more, without what that left in memory."""
    was_compiled = _COMPILED.exists()
    from wasmdeploy_driver.forkserver.preload import preload

    preload()
    if not was_compiled and _COMPILED.exists():
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _load()
    from wasmdeploy_driver.executor.process import main
    from wasmdeploy_driver.executor.title import show_name
    from wasmdeploy_driver.forkserver.server import serve

    show_name("wasm-forkserver")
    serve(socket.socket(fileno=int(sys.argv[1])), main)
    os._exit(0)
