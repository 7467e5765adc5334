"""Nomad's stream of events, as they happen (httpx: python-nomad buffers streams)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import httpx

from wasmdeploy_cli.errors import ClusterError
from wasmdeploy_cli.nomad.settings import Settings

Json = dict[str, Any]


def stream(settings: Settings, namespace: str, topics: Iterable[str], index: int = 0) -> Iterator[Json]:
    """The events of topics like `Allocation:NAME` after `index` (0: what Nomad still has), without an end.

    Raises ClusterError where Nomad refuses or goes away.
    """
    parameters: list[tuple[str, str | int | float | bool | None]] = [("topic", topic) for topic in topics]
    parameters += [("namespace", namespace), ("index", str(index))]
    try:
        with (
            httpx.Client(
                headers={"Accept-Encoding": "identity", **settings.nomad_headers},
                verify=settings.nomad_tls.context(),
                timeout=httpx.Timeout(20, read=None),
            ) as client,
            client.stream("GET", f"{settings.nomad}/v1/event/stream", params=parameters) as answer,
        ):
            if answer.status_code != 200:
                text = answer.read().decode(errors="replace").strip()
                raise ClusterError(
                    f"Nomad at {settings.nomad}: events: {text}",
                    "see the log of the Nomad agent: nomad monitor",
                )
            for line in answer.iter_lines():
                yield from (json.loads(line) if line.strip() else {}).get("Events") or ()
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError, ValueError) as error:
        raise ClusterError(
            f"Nomad at {settings.nomad}: the stream of events broke off: {error}", "try again"
        ) from error
