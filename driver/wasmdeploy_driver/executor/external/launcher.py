"""Becomes the child: `python launcher.py PARENT LISTENER PROGRAM ARGUMENT…` ends in PROGRAM.

Only what the process itself can do between fork and exec is done here: it asks to be killed with its parent,
and hands the listener on as systemd would, which needs its own process id.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_FIRST_PASSED = 3


def main() -> None:
    """Never returns."""
    parent, listener, program = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before that
        os._exit(1)
    os.dup2(listener, _FIRST_PASSED, inheritable=True)
    environment = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
    environment |= {
        name: os.environ[name]
        for name in ("HOME", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR")
        if name in os.environ
    }
    # The executor ignores Ctrl-C, which is how wasmtime is asked to drain.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.execve(program, sys.argv[3:], environment)  # noqa: S606  # that is its purpose


if __name__ == "__main__":
    main()
