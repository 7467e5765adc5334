"""The CNI plugins that Nomad makes networks with, built on demand and kept by the digest of their versions."""

from __future__ import annotations

import hashlib
import os
import subprocess
from functools import cache
from pathlib import Path

from tests.driver.go_guests import BUILT

_MODULE = Path(__file__).parent / "cni"
_VERSION = "github.com/containernetworking/plugins/pkg/utils/buildversion.BuildVersion=v1.9.1"


@cache
def plugins() -> Path:
    """The directory of the plugins."""
    content = (_MODULE / "go.mod").read_bytes() + (_MODULE / "go.sum").read_bytes() + _VERSION.encode()
    built = BUILT / f"cni-{hashlib.sha256(content).hexdigest()[:16]}"
    if not built.is_dir():
        making = built.with_suffix(f".{os.getpid()}")
        making.mkdir(parents=True)
        flags = ("-mod=readonly", "-trimpath", "-buildvcs=false", f"-ldflags=-s -w -X {_VERSION}")
        subprocess.run(["go", "build", *flags, "-o", f"{making}/", "tool"], cwd=_MODULE, check=True)
        making.rename(built)
    return built
