"""How each kind of component is spoken to: by the adapter's frames, or as a CGI program."""

from __future__ import annotations

from collections.abc import Callable

from wasmdeploy_driver.app.exchange import Permit
from wasmdeploy_driver.app.quota import Quota
from wasmdeploy_driver.egress.grant import Grant
from wasmdeploy_driver.errors import GuestTrap
from wasmdeploy_driver.guest.call import Call
from wasmdeploy_driver.http import cgi, frame
from wasmdeploy_driver.http.message import Request
from wasmdeploy_driver.http.response import ResponseHead


class FrameTarget:
    """A component that was composed with the adapter; without a `permit`, which may change, it may call nobody.

    Timers end with the request's time, and calls with its permit: only sockets (`blocks`) may keep it waiting.
    """

    def __init__(
        self,
        component: int,
        permit: Callable[[], Grant] | None = None,
        quota: Quota | None = None,
        *,
        blocks: bool = False,
    ) -> None:
        self.quota = quota or Quota()
        self.blocks = blocks
        self._component = component
        self.permit = permit

    def call(self, request: Request, pattern: str) -> tuple[Call, Permit | None]:
        """What its guest is told to run for a request, and the grant for its own requests."""
        if self.permit is None:
            return Call(self._component, frame.encode_request(request), trailers=request.trailers), None
        grant = self.permit()
        way_out = frame.encode_way_out(grant.port, grant.token)
        stdin = frame.encode_request(request, way_out)
        return Call(self._component, stdin, trailers=request.trailers), grant

    def parse_head(self, data: bytes) -> ResponseHead | None:
        """The head at the start of its output, None where more is needed; raises GuestTrap."""
        return frame.parse_head(data)

    def missing_head(self, data: bytes) -> GuestTrap:
        """What it means that the output has ended without a head."""
        return frame.missing_head(data)


class CgiTarget:
    """A program that prints its response."""

    blocks = True  # in `poll_oneoff`

    def __init__(self, component: int, argv: str, args: tuple[str, ...], quota: Quota | None = None) -> None:
        self.quota = quota or Quota()
        self._component = component
        self._argv = argv
        self._args = args

    def call(self, request: Request, pattern: str) -> tuple[Call, Permit | None]:
        """What its guest is told to run for a request that came by the route `pattern`."""
        # The request's variables win over the manifest's, which must not fake who asks for what.
        args = cgi.arguments(request, self._argv, self._args)
        return Call(self._component, request.body, cgi.environment(request, pattern), args), None

    def parse_head(self, data: bytes) -> ResponseHead | None:
        """The head at the start of its output, None where more is needed; raises GuestTrap."""
        return cgi.parse_head(data)

    def missing_head(self, data: bytes) -> GuestTrap:
        """What it means that the output has ended without a head."""
        return cgi.missing_head(data)
