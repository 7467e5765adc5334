"""The Go program that drives the plugin, built once for its sources, and its tests by name."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.driver.go_guests import go_guest
from tests.driver.guests import wat

HERE = Path(__file__).parent
BUILT = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wasmdeploy" / "conformance-driver"
_FLAGS = ("-mod=readonly", "-trimpath", "-buildvcs=false")

TRAP = '(module (memory (export "memory") 1) (func (export "_start") unreachable))'
SPIN = '(module (memory (export "memory") 1) (func (export "_start") (loop (br 0))))'
# Takes memory page by page and writes to each, until it gets no more.
EATER = """(module
  (memory (export "memory") 1)
  (func (export "_start") (local $page i32)
    (loop $more
      (local.set $page (memory.grow (i32.const 1)))
      (if (i32.ne (local.get $page) (i32.const -1))
        (then
          (memory.fill (i32.shl (local.get $page) (i32.const 16)) (i32.const 1) (i32.const 65536))
          (br $more))))))"""


@dataclass(frozen=True)
class Ended:
    """How one of its tests went."""

    passed: bool
    output: str


def names() -> list[str]:
    """Its tests, as the sources name them."""
    sources = "".join(path.read_text() for path in sorted(HERE.glob("*_test.go")))
    return list(re.findall(r"^func (Test\w+)\(t \*testing\.T\)", sources, re.MULTILINE))


@cache
def built() -> Path:
    """The program; Go keeps what its parts were compiled to, so only the first build takes minutes."""
    sources = sorted(path for path in HERE.iterdir() if path.suffix in (".go", ".mod", ".sum"))
    digest = hashlib.sha256(b"".join(path.name.encode() + path.read_bytes() for path in sources)).hexdigest()
    program = BUILT / digest[:16]
    if not program.is_file():
        BUILT.mkdir(parents=True, exist_ok=True)
        for old in BUILT.iterdir():
            old.unlink()
        making = program.with_suffix(f".{os.getpid()}")
        subprocess.run(["go", "test", "-c", *_FLAGS, "-o", making, "."], cwd=HERE, check=True)
        making.replace(program)
    return program


def guests(directory: Path) -> Path:
    """The guests that its tests run, put into a directory."""
    (directory / "tool.wasm").write_bytes(go_guest("go-tool").read_bytes())
    (directory / "cgi.wasm").write_bytes(go_guest("go-cgi").read_bytes())
    for name, text in (("trap", TRAP), ("spin", SPIN), ("eater", EATER)):
        (directory / f"{name}.wasm").write_bytes(wat(text))
    return directory


def run(name: str, guests: Path, data: Path) -> Ended:
    """Run one test against the plugin that is installed beside this Python."""
    environment = {
        **os.environ,
        "WASMDEPLOY_PLUGIN": str(Path(sys.executable).with_name("nomad-driver-wasm")),
        "WASMDEPLOY_GUESTS": str(guests),
        "WASMDEPLOY_DATA": str(data),
    }
    command = [built(), "-test.v", "-test.timeout=4m", f"-test.run=^{name}$"]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, errors="replace", check=False
    )
    return Ended(done.returncode == 0 and f"--- PASS: {name} " in done.stdout, done.stdout + done.stderr)
