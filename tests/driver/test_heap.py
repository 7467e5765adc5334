"""The heap of a process that others are forked off."""

import subprocess
import sys

import pytest

SCRIPT = """
import ctypes, sys
from wasmdeploy_driver.forkserver import heap

library = ctypes.CDLL(None)
for name in ("malloc", "sbrk"):
    getattr(library, name).restype = ctypes.c_size_t
library.free.argtypes = (ctypes.c_size_t,)
size = int(sys.argv[1])
blocks = [library.malloc(size) for _ in range(2000)]
for each in blocks[::2]:
    library.free(each)
holes = {each for each in blocks[::2]}
if sys.argv[2] == "fill":
    heap.settle()
print(sum(library.malloc(size) in holes for _ in range(500)))
"""


@pytest.mark.parametrize("size", [40, 200, 1000, 5000, 30000])
def test_nothing_goes_into_holes(size):
    """What is allocated afterwards lies elsewhere; without it holes are the first that are used."""
    used = {}
    for what in ("fill", "leave"):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(size), what], capture_output=True, text=True, check=True
        )
        used[what] = int(done.stdout)
    assert used["leave"] > 100
    assert used["fill"] == 0


NO_MEMORY = """
import ctypes, resource
from pathlib import Path
from wasmdeploy_driver.forkserver import heap

library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_size_t
library.mallinfo2.restype = heap._Info
heap.settle()
pages = int(Path("/proc/self/statm").read_text().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize(),) * 2)
while library.mallinfo2().keepcost > 40_000 and library.malloc(16_384):
    pass
heap.settle()
"""


def test_no_memory_is_left():
    """Where the C library has no more to give, what there is stays as it is."""
    subprocess.run([sys.executable, "-c", NO_MEMORY], check=True, timeout=60)
