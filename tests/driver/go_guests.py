"""Guests written in Go, built on demand and kept by the digest of their sources."""

from __future__ import annotations

import hashlib
import os
import subprocess
from functools import cache
from pathlib import Path

GUESTS = Path(__file__).parent.parent / "guests"
BUILT = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wasmdeploy" / "test-guests"


@cache
def go_guest(name: str = "go-cgi") -> Path:
    """The preview 1 module of the guest below tests/guests."""
    sources = sorted(path for path in (GUESTS / name).iterdir() if path.suffix in (".go", ".mod", ".sum"))
    digest = hashlib.sha256(
        b"".join(path.name.encode() + b"\0" + path.read_bytes() for path in sources)
    ).hexdigest()
    module = BUILT / f"{name}-{digest[:16]}.wasm"
    if not module.is_file():
        BUILT.mkdir(parents=True, exist_ok=True)
        making = module.with_suffix(f".{os.getpid()}")
        environment = {**os.environ, "GOOS": "wasip1", "GOARCH": "wasm", "GOFLAGS": "-buildvcs=false"}
        subprocess.run(["go", "build", "-o", making, "."], cwd=GUESTS / name, env=environment, check=True)
        making.replace(module)
    return module
