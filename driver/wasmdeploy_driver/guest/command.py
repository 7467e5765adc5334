"""A command: a preview 1 program or a wasi:cli/run component, run once."""

from __future__ import annotations

from wasmdeploy_driver.guest.bounds import Bounds
from wasmdeploy_driver.guest.sandbox import Context, Exit, Runner


class Command:
    """A guest that is run once with the process's own streams."""

    def __init__(self, runner: Runner, context: Context, bounds: Bounds) -> None:
        self._runner = runner
        self._context = context
        self._bounds = bounds

    def run(self) -> int:
        """The exit code; raises GuestTrap or GuestTimeout."""
        wasi = self._context.wasi()
        wasi.inherit_stdin()
        wasi.inherit_stdout()
        wasi.inherit_stderr()
        try:
            return 0 if self._runner.run(wasi, self._bounds) else 1
        except Exit as exit_:
            return exit_.code
        finally:
            self._runner.tidy()
