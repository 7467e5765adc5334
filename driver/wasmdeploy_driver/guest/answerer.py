"""A guest that answers HTTP requests: each call is one run, its stdin and stdout the request and the response."""

from __future__ import annotations

import contextlib

from wasmtime import WasiConfig, WasmtimeError

from wasmdeploy_driver.errors import GuestTimeout
from wasmdeploy_driver.guest.bounds import Bounds
from wasmdeploy_driver.guest.call import MAX_TRAILERS, SUCCESS, AskTrailers, Call, Outcome
from wasmdeploy_driver.guest.capi import set_stdin
from wasmdeploy_driver.guest.component import LoadedComponent
from wasmdeploy_driver.guest.host import Told
from wasmdeploy_driver.guest.reuse import ReusedInstances
from wasmdeploy_driver.guest.sandbox import Context, Exit, Runner


class Answerer:
    """Runs one component of an app; `may_exit` is for programs whose end is their exit, as CGI's."""

    def __init__(
        self, runner: Runner, context: Context, bounds: Bounds, told: Told | None = None, *, may_exit: bool
    ) -> None:
        self._runner = runner
        self._context = context
        self._bounds = bounds
        self._told = told
        self._may_exit = may_exit

    def run(
        self, call: Call, stdout: str, stdin: str = "", request_trailers: AskTrailers | None = None
    ) -> Outcome:
        """Run once; `stdout` and `stdin` are paths, without the latter it is the bytes of the call.

        `request_trailers` is asked where they come behind a `stdin`.
        """
        if self._told:
            self._told.begin(request_trailers or (lambda: call.trailers), self._bounds.seconds)
        try:
            whole = self._runner.run(self._wasi(call, stdout, stdin), self._bounds)
        except Exit as exit_:
            if not self._may_exit:
                return Outcome(f"the guest called exit({exit_.code}) while it answered")
            return Outcome(f"the guest ended with exit code {exit_.code}") if exit_.code else SUCCESS
        except Exception as error:  # noqa: BLE001  # a trap, or a bug of ours: one failed request, and it is told
            return Outcome.failed(error)
        if not whole:
            return Outcome("the guest did not finish its response")
        trailers = self._told.trailers if self._told else ()
        if sum(len(name) + len(value) for name, value in trailers) > MAX_TRAILERS:
            return Outcome(f"the guest's trailers are larger than {MAX_TRAILERS >> 10} KiB")
        return Outcome(trailers=trailers) if trailers else SUCCESS

    def _wasi(self, call: Call, stdout: str, stdin: str) -> WasiConfig:
        wasi = self._context.wasi(call.environment, call.args)
        if stdin:
            wasi.stdin_file = stdin
        else:
            set_stdin(wasi, call.stdin)
        wasi.stdout_file = stdout
        wasi.inherit_stderr()
        return wasi

    def prepare(self) -> bool:
        """Make ready for the next call what does not depend on it; whether there is anything, and it could be made."""
        if not isinstance(self._runner, LoadedComponent) or self._may_exit:
            return False
        # The next run meets the same, and is the one to tell.
        with contextlib.suppress(WasmtimeError, GuestTimeout):
            wasi = self._context.wasi()
            wasi.inherit_stderr()
            self._runner.prepare(wasi, self._bounds)
            return True
        return False

    def tidy(self) -> None:
        """Let go of what the last call left."""
        self._runner.tidy()

    def close(self) -> None:
        """Let go of instances that stay between calls, or wait for one; there is no further call."""
        if isinstance(self._runner, ReusedInstances | LoadedComponent):
            self._runner.close()
