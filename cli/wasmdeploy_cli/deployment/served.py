"""Waiting until Traefik has the app's route, and only the new version answers there."""

from __future__ import annotations

import time
from typing import Any

from wasmdeploy_cli.console import Output
from wasmdeploy_cli.errors import ClusterError, DeployError
from wasmdeploy_cli.job.route import Reach, reach
from wasmdeploy_cli.nomad import Nomad, Settings
from wasmdeploy_cli.web import request

_PAUSE = 0.25
_ROUTE_SECONDS = 30.0
# Shutdown delay and kill time-out of an old instance, and some: then nothing of it can answer.
_LEAVE_SECONDS = 45.0
_NOT_ROUTED = (0, 404, 502, 503)


def wait_until_served(
    job: dict[str, Any], settings: Settings, nomad: Nomad, version: int, out: Output, *, alone: bool = True
) -> None:
    """Wait for the route, and with `alone` until no other version can answer; raises DeployError.

    Traefik sends requests to an instance for as long as it has not read the catalogue again. An instance that
    has ended answers none: so the old version's instances are waited for, which first leave the catalogue and
    end a shutdown delay later.
    """
    way = reach(job)
    if settings.traefik and way.host:
        with out.step("route", f"{way.host} at Traefik"):
            _wait_for_route(way, settings)
    if alone:
        with out.step("leave", "instances of other versions"):
            _wait_for_others(job["ID"], nomad, version)
            if settings.traefik and way.host:
                _wait_for_route(way, settings)  # the old version's router, which may have answered, is gone


def _wait_for_route(way: Reach, settings: Settings) -> None:
    deadline = time.monotonic() + _ROUTE_SECONDS
    while (status := _status(way, settings)) in _NOT_ROUTED:
        if time.monotonic() > deadline:
            if not status:
                raise DeployError(
                    f"Traefik at {settings.traefik} does not answer",
                    settings.mending(settings.traefik) or "check TRAEFIK_ADDR, and that it runs",
                )
            catalog = "consul catalog services -tags" if way.catalog == "consul" else "nomad service list"
            raise DeployError(
                f"Traefik at {settings.traefik} has no route for {way.host} (HTTP {status})",
                f"see that Traefik reads the {way.catalog} catalogue, and the tags: {catalog}",
            )
        time.sleep(_PAUSE)


def _status(way: Reach, settings: Settings) -> int:
    try:
        return request(
            "Traefik", "GET", f"{settings.traefik}{way.health_path}", headers={"Host": way.host}
        ).status
    except ClusterError:
        return 0


def _wait_for_others(name: str, nomad: Nomad, version: int) -> None:
    deadline = time.monotonic() + _LEAVE_SECONDS
    while any(
        each["JobVersion"] != version and each["ClientStatus"] == "running"
        for each in nomad.allocations(name)
    ):
        if time.monotonic() > deadline:  # it finishes long requests, and takes no new ones
            return
        time.sleep(_PAUSE)
