"""Allocation logs, as they are or as they grow (httpx: python-nomad buffers streams)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import httpx

from wasmdeploy_cli.errors import ClusterError
from wasmdeploy_cli.nomad.settings import Settings

Stream = Literal["stdout", "stderr"]


class LogClient:
    """Reads task logs through Nomad's API."""

    def __init__(self, settings: Settings, namespace: str) -> None:
        self._address = settings.nomad
        self._parameters = {"namespace": namespace}
        self._client = httpx.Client(
            base_url=f"{settings.nomad}/v1/client/fs/logs/",
            headers={
                # Compressed, the last lines would wait in the compressor until more come.
                "Accept-Encoding": "identity",
                **({"X-Nomad-Token": settings.nomad_token.reveal()} if settings.nomad_token.reveal() else {}),
            },
            verify=settings.nomad_tls.context(),
            timeout=httpx.Timeout(20, read=None),
        )

    def close(self) -> None:
        """Close the connections, which also ends a `follow` in another thread."""
        self._client.close()

    def lines(self, allocation: str, task: str, stream: Stream, *, follow: bool) -> Iterator[bytes]:
        """Whole lines of one stream, without their newlines; a stream that was never written has none.

        Raises ClusterError.
        """
        parameters = {**self._parameters, "task": task, "type": stream, "origin": "start", "offset": "0",
                      "plain": "true", "follow": "true" if follow else "false"}  # fmt: skip
        try:
            with self._client.stream("GET", allocation, params=parameters) as answer:
                if answer.status_code == 404:
                    return
                if answer.status_code != 200:
                    text = answer.read().decode(errors="replace").strip()
                    raise ClusterError(f"Nomad at {self._address}: logs of {allocation[:8]}: {text}")
                yield from _lines(answer.iter_raw())
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise ClusterError(f"Nomad at {self._address}: logs of {allocation[:8]}: {error}") from error


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
    if rest:
        yield rest
