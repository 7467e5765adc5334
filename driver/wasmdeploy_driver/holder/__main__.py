"""`python -m wasmdeploy_driver.holder DIRECTORY ROOM`: becomes the holder of a plugin's `data_dir`.

Where there is one already, it stays. ROOM is as long as the command lines that its executors show.
"""

import fcntl
import os
import signal
import socket
import sys
from pathlib import Path

from wasmdeploy_driver.executor.holder import SOCKET
from wasmdeploy_driver.isolation import privileges

_LOCK = "holder.lock"


def main(directory: Path) -> None:
    """Take the directory's lock, listen, and go on in a process that is nobody's child."""
    lock = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    os.chdir(directory)  # a long path fits no socket address
    Path(SOCKET).unlink(missing_ok=True)
    door = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    door.bind(SOCKET)
    Path(SOCKET).chmod(0o600)
    door.listen(1024)
    door.setblocking(False)
    os.chdir("/")
    if os.fork():
        os._exit(0)  # whoever waits for it may connect now
    os.setsid()
    privileges.hide()
    for ignored in (signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    # Only now, since a second holder ends above.
    from wasmdeploy_driver.executor.process import main as executor
    from wasmdeploy_driver.executor.title import show_name
    from wasmdeploy_driver.forkserver.preload import preload, settle
    from wasmdeploy_driver.holder.leader import hold

    show_name("wasm-holder")
    preload()
    settle()
    hold(door, lock, executor)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
