"""What the checks ask Nomad, Consul and Traefik: one GET, JSON or an error that is a finding."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from wasmdeploy_cli.errors import ClusterError
from wasmdeploy_cli.nomad import Settings
from wasmdeploy_cli.web import Answer, request

_PATIENCE = 5.0  # seconds


class Api:
    """The cluster that the settings name; every call raises ClusterError."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def nomad(self, path: str, namespace: str = "") -> Any:
        """What Nomad answers below /v1/, None for 404."""
        where = f"?namespace={quote(namespace)}" if namespace else ""
        answer = request(
            "Nomad",
            "GET",
            f"{self.settings.nomad}/v1/{path}{where}",
            tls=self.settings.nomad_tls,
            headers=self.settings.nomad_headers,
            timeout=_PATIENCE,
        )
        hint = "set NOMAD_TOKEN to a token whose policies allow it; see: nomad acl token self"
        return _json("Nomad", self.settings.nomad, path, answer, hint)

    def consul(self, path: str) -> Any:
        """What Consul answers below /v1/, None for 404."""
        answer = request(
            "Consul",
            "GET",
            f"{self.settings.consul}/v1/{path}",
            tls=self.settings.consul_tls,
            headers=self.settings.consul_headers,
            timeout=_PATIENCE,
        )
        hint = "set CONSUL_HTTP_TOKEN to a token whose policies allow it; see: consul acl token read -self"
        return _json("Consul", self.settings.consul, path, answer, hint)

    def traefik(self, url: str, headers: Mapping[str, str] | None = None) -> Answer:
        """What Traefik answers, whatever that is."""
        return request("Traefik", "GET", url, headers=headers, timeout=_PATIENCE)


def _json(what: str, address: str, path: str, answer: Answer, hint: str) -> Any:
    if answer.status == 404:
        return None
    text = " ".join(answer.body.decode(errors="replace").split())[:200]
    if answer.status in (401, 403):
        raise ClusterError(f"{what} at {address} refuses {path}: {text}", hint)
    if answer.status != 200:
        raise ClusterError(f"{what} at {address}: {path}: HTTP {answer.status} {text}")
    try:
        return json.loads(answer.body)
    except ValueError as error:
        raise ClusterError(
            f"{address} does not answer like {what}", f"check the address of {what}"
        ) from error
