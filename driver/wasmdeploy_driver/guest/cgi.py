"""Programs that answer HTTP through CGI (WAGI): preview 1 modules, and components that are commands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wasmdeploy_driver.errors import GuestTrap
from wasmdeploy_driver.guest.sandbox import Bounds, Exit, Outputs, Preopen, Runner, new_wasi
from wasmdeploy_driver.http import cgi
from wasmdeploy_driver.http.message import Request, Response


@dataclass(frozen=True, slots=True)
class CgiSettings:
    """What the manifest says of a CGI program: its own arguments, and the template that all are put into."""

    args: tuple[str, ...]
    argv: str


class CgiGuest:
    """A program that answers each request in a fresh instance, through CGI."""

    def __init__(
        self,
        runner: Runner,
        environment: Mapping[str, str],
        settings: CgiSettings,
        preopens: tuple[Preopen, ...],
        bounds: Bounds,
    ) -> None:
        self._runner = runner
        self._environment = environment
        self._settings = settings
        self._preopens = preopens
        self._bounds = bounds
        self._outputs = Outputs()

    def handle(self, request: Request, route: str) -> Response:
        """Run the guest for one request; raises GuestTrap or GuestTimeout."""
        output = self._outputs.mine()
        # The request's variables win: a manifest must not fake who asks for what.
        environment = {**self._environment, **cgi.environment(request, route)}
        args = cgi.arguments(request, self._settings.argv, self._settings.args)
        wasi = new_wasi(environment, args, self._preopens, request.body)
        wasi.stdout_file = output.path
        wasi.inherit_stderr()
        try:
            ok = self._runner.run(wasi, self._bounds, output.bound)
        except Exit as exit_:
            ok = True
            if exit_.code:
                raise GuestTrap(f"the guest ended with exit code {exit_.code}") from None
        finally:  # also what a failed guest wrote is held in memory
            data = output.take()
        if not ok:
            raise GuestTrap("the guest ended with an error")
        return cgi.parse_response(data, request.method == "HEAD")
