"""`python -m wasmdeploy_driver.executor.engines SOCKET`: the stem of an app's engine processes, and how one is made.

The executor forks its stem off before it has threads (`fork_stem`); as a program it replaces one that has died.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Callable, Sequence

from wasmdeploy_driver.app.engine import EngineWorker
from wasmdeploy_driver.app.memfile import memory_file
from wasmdeploy_driver.app.stem import Begin, Stem, serve
from wasmdeploy_driver.app.worker import Run, output_pipe
from wasmdeploy_driver.executor import confine
from wasmdeploy_driver.executor.image import Image
from wasmdeploy_driver.executor.prepare import load_guests
from wasmdeploy_driver.isolation import privileges

_PROGRAM = (sys.executable, "-I", "-m", "wasmdeploy_driver.executor.engines")


def fork_stem(begin: Begin | None = None) -> Stem:
    """The stem of this process, which must have one thread; all that an engine needs is imported for it.

    `begin` is called in it with what it is told.
    """
    _import_guests()
    return Stem.fork(load, _PROGRAM, begin)


def _import_guests() -> None:
    from wasmdeploy_driver.guest import answerer, component, module, reuse  # noqa: F401


def load(content: bytes, descriptors: Sequence[int], watch: Callable[[], None]) -> Run:
    """The guests of an image; called in an engine process, which from then on reaches nothing else."""
    image = Image.from_bytes(content, descriptors)
    if image.launch.isolation is not None:
        compiled = image.compiled.values()
        sockets = any(each.has_sockets for each in compiled)
        confine.as_engine((each.descriptor for each in compiled), image.preopens, looks_up=sockets)
    return load_guests(image, watch)


class Engines:
    """Starts engine processes for one app, while its task's memory has room for them."""

    def __init__(self, image: Image, stem: Stem, has_room: Callable[[], bool]) -> None:
        self._content = memory_file(image.to_bytes())
        self._descriptors = image.descriptors
        self._stem = stem
        self._has_room = has_room

    def renew(self, image: Image) -> None:
        """Start them from another image of the same guests from now on."""
        before, self._content = self._content, memory_file(image.to_bytes())
        os.close(before)

    def __call__(self, changed: Callable[[EngineWorker], None]) -> EngineWorker | None:
        """A new one, whose changes `changed` is told; None where there is no room for it now."""
        if not self._has_room():
            return None
        with contextlib.ExitStack() as undo:
            try:
                ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                undo.callback(ours.close)
                with theirs:
                    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
                    out, into = output_pipe()
                    undo.callback(os.close, out)
                    try:
                        self._stem.engine(theirs, into, self._content, self._descriptors)
                    finally:
                        os.close(into)
            except (
                OSError
            ) as error:  # descriptors or processes are used up: there may be some again in a moment
                sys.stderr.write(f"no engine process can be started: {error.strerror or error}\n")
                return None
            undo.pop_all()
        return EngineWorker(ours, out, changed)


def main(arguments: list[str]) -> int:
    """Serve as a stem on the socket whose number is given."""
    _import_guests()
    privileges.hide()
    serve(socket.socket(fileno=int(arguments[0])), load)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
