"""`python -m wasmdeploy_driver.forkserver SOCKET ROOM`: what the runner starts once for each plugin.

ROOM is as long as the command lines that its executors show.
"""

import os
import resource
import socket
import sys

from wasmdeploy_driver.executor.process import main
from wasmdeploy_driver.executor.title import show_name
from wasmdeploy_driver.forkserver.preload import preload
from wasmdeploy_driver.forkserver.server import serve

if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    show_name("wasm-forkserver")
    preload()
    serve(socket.socket(fileno=int(sys.argv[1])), main)
    os._exit(0)
