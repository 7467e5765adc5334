"""Consul's catalogue as deploying needs it: its leader, services with their tags, and what checks answer."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from wasmdeploy_cli.errors import ClusterError
from wasmdeploy_cli.nomad import Settings
from wasmdeploy_cli.web import request


class Consul:
    """The Consul that the settings name; every call raises ClusterError."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @property
    def known(self) -> bool:
        """Whether there is an address to ask."""
        return bool(self._settings.consul)

    def leader(self) -> str:
        """The leader's address; raises where there is none, which takes no registration."""
        if leader := self._get("status/leader"):
            return str(leader)
        raise ClusterError(
            f"Consul at {self._settings.consul} has no leader", "see: consul operator raft list-peers"
        )

    def services(self) -> dict[str, list[str]]:
        """Every service by name, with all tags of its instances."""
        return {str(name): list(tags or []) for name, tags in (self._get("catalog/services") or {}).items()}

    def has(self, service: str) -> bool:
        """Whether any instance of a service is registered."""
        return bool(self._get(f"catalog/service/{quote(service, safe='')}"))

    def healthy(self, service: str) -> int:
        """How many instances of a service pass their checks: what Traefik should route to."""
        return len(self._get(f"health/service/{quote(service, safe='')}?passing=true") or [])

    def checks(self, service: str) -> list[dict[str, Any]]:
        """The health checks of a service's instances, with what they answered last."""
        return list(self._get(f"health/checks/{quote(service, safe='')}") or [])

    def _get(self, path: str) -> Any:
        settings = self._settings
        answer = request(
            "Consul", "GET", f"{settings.consul}/v1/{path}",
            tls=settings.consul_tls, headers=settings.consul_headers, hint=settings.mending(settings.consul),
        )  # fmt: skip
        if answer.status == 403:
            raise ClusterError(
                f"Consul at {settings.consul} refuses to read {path}",
                "set CONSUL_HTTP_TOKEN to a token whose policy allows service:read and node:read; "
                "see: consul acl token read -self",
            )
        if answer.status != 200:
            text = answer.body.decode(errors="replace").strip()[:200]
            raise ClusterError(
                f"Consul at {settings.consul} answers HTTP {answer.status} for {path}: {text}",
                "see: consul members",
            )
        try:
            return json.loads(answer.body or b"null")
        except ValueError as error:
            raise ClusterError(
                f"{settings.consul} does not answer like Consul", "check CONSUL_HTTP_ADDR"
            ) from error
