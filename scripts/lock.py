"""`make lock`: write the lock files anew from pyproject.toml: versions and hashes, no registry address."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parent.parent
_LOCKS = {"runtime.txt": ["build"], "dev.txt": ["dev"]}
_HEADER = "# Written by `make lock` from pyproject.toml; install with pip's --require-hashes.\n"


def main() -> int:
    """Compile each lock file; the status is that of the first compile that failed."""
    for name, groups in _LOCKS.items():
        target = _ROOT / "locks" / name
        command = [
            "uv", "pip", "compile", "pyproject.toml", *(f"--group={group}" for group in groups),
            "--generate-hashes", "--universal", "--python-version=3.11", "--no-header", "--no-annotate",
            "--no-emit-index-url", "--no-emit-find-links", "--quiet", f"--output-file={target}",
        ]  # fmt: skip
        status = subprocess.run(command, cwd=_ROOT, check=False, stdout=subprocess.DEVNULL).returncode
        if status:
            return status
        target.write_text(_HEADER + target.read_text())
        print(f"wrote {target.relative_to(_ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
