"""A command: a preview 1 program or a wasi:cli/run component, run once."""

from __future__ import annotations

from collections.abc import Mapping

from wasmdeploy_driver.guest.sandbox import Bounds, Exit, Preopen, Runner, new_wasi


class Command:
    """A guest that is run once with the process's own streams."""

    def __init__(
        self,
        runner: Runner,
        environment: Mapping[str, str],
        args: tuple[str, ...],
        preopens: tuple[Preopen, ...],
        bounds: Bounds,
    ) -> None:
        self._runner = runner
        self._environment = environment
        self._args = args
        self._preopens = preopens
        self._bounds = bounds

    def run(self) -> int:
        """The exit code; raises GuestTrap or GuestTimeout."""
        wasi = new_wasi(self._environment, self._args, self._preopens)
        wasi.inherit_stdin()
        wasi.inherit_stdout()
        wasi.inherit_stderr()
        try:
            return 0 if self._runner.run(wasi, self._bounds) else 1
        except Exit as exit_:
            return exit_.code
