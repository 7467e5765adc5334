"""What the checks ask Nomad and Traefik: one GET, JSON or an error that is a finding."""

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
            hint=self.settings.nomad_hint,
        )
        return _json(self.settings.nomad, path, answer)

    def traefik(self, url: str, headers: Mapping[str, str] | None = None) -> Answer:
        """What Traefik answers, whatever that is."""
        return request("Traefik", "GET", url, headers=headers, timeout=_PATIENCE)


def _json(address: str, path: str, answer: Answer) -> Any:
    if answer.status == 404:
        return None
    text = " ".join(answer.body.decode(errors="replace").split())[:200]
    if answer.status in (401, 403):
        raise ClusterError(
            f"Nomad at {address} refuses {path}: {text}",
            "set NOMAD_TOKEN to a token whose policies allow it; see: nomad acl token self",
        )
    if answer.status != 200:
        raise ClusterError(
            f"Nomad at {address}: {path}: HTTP {answer.status} {text}", "see the log of the Nomad agent there"
        )
    try:
        return json.loads(answer.body)
    except ValueError as error:
        raise ClusterError(f"{address} does not answer like Nomad", "check the address of Nomad") from error
