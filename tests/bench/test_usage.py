import subprocess
import sys

from tests.bench import usage

BURN = "import time\nwhile time.process_time() < 0.3: pass\n"
# A child that has ended and was waited for, and one that was left to init, in the same session.
TREE = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", {BURN!r}])
orphan = "import sys, time\\nwhile time.process_time() < 0.3: pass\\nprint(flush=True); sys.stdin.read()"
subprocess.run(["sh", "-c", '"$0" -c "$1" 3<&0 <&3 &', sys.executable, orphan])
sys.stdin.read()
"""


def test_every_process_of_a_server_counts():
    """Its children that have ended do, and those whose parent has; the memory is that of all that run."""
    command = [sys.executable, "-c", TREE]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as server:
        assert server.stdout is not None
        assert server.stdin is not None
        server.stdout.readline()
        assert usage.cpu_seconds(server.pid) >= 0.6
        assert len(usage.processes(server.pid)) == 2
        assert usage.pss_bytes(server.pid) > 4_000_000
        server.stdin.close()
