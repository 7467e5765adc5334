"""The command line tool as a user runs it: the installed program, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PROGRAM = Path(sys.executable).with_name("wasmdeploy")
_FOREIGN = ("NOMAD_", "CONSUL_", "VAULT_", "WASMDEPLOY_", "TRAEFIK_")


def environment(**more: str) -> dict[str, str]:
    """This process's environment without anybody's cluster."""
    own = {key: value for key, value in os.environ.items() if not key.startswith(_FOREIGN)}
    return {**own, "NO_COLOR": "1", **more}


@dataclass(frozen=True)
class Cli:
    """Runs `wasmdeploy` against one stack."""

    stack_dir: Path

    def __call__(
        self,
        *arguments: str | Path,
        cwd: Path | None = None,
        code: int | None = 0,
        timeout: float = 300,
        **env: str,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command and give its output; fails unless it ends with `code` (None: any)."""
        done = subprocess.run(
            [PROGRAM, *arguments],
            cwd=cwd,
            env=environment(WASMDEPLOY_STACK_DIR=str(self.stack_dir), **env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        shown = f"wasmdeploy {' '.join(map(str, arguments))}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert code is None or done.returncode == code, shown
        assert "Traceback" not in done.stderr, shown
        return done
