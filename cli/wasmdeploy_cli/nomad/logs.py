"""Allocation logs, as they are or as they grow (httpx: python-nomad buffers streams)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

import httpx

from wasmdeploy_cli.errors import ClusterError
from wasmdeploy_cli.nomad.settings import Settings

Stream = Literal["stdout", "stderr"]
_HINT = "try again; whether its node answers: wasmdeploy doctor"


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
                **settings.nomad_headers,
            },
            verify=settings.nomad_tls.context(),
            timeout=httpx.Timeout(20, read=None),
        )

    def close(self) -> None:
        """Close the connections, which also ends a `follow` in another thread."""
        self._client.close()

    def written(self, allocation: str, task: str, stream: Stream) -> float | None:
        """When a stream was last written to, in seconds since the epoch; None where it never was."""
        parameters = {**self._parameters, "path": "alloc/logs"}
        try:
            answer = self._client.get(f"{self._address}/v1/client/fs/ls/{allocation}", params=parameters)
            files = answer.json() if answer.status_code == 200 else []
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError, ValueError) as error:
            raise ClusterError(
                f"Nomad at {self._address}: logs of {allocation[:8]}: {error}", _HINT
            ) from error
        times = [
            datetime.fromisoformat(file["ModTime"]).timestamp()
            for file in files
            if file["Name"].startswith(f"{task}.{stream}.") and file["Size"]
        ]
        return max(times, default=None)

    def lines(
        self,
        allocation: str,
        task: str,
        stream: Stream,
        *,
        follow: bool,
        offset: int = 0,
        last_bytes: int | None = None,
    ) -> Iterator[bytes]:
        """Whole lines of one stream, without their newlines; a stream that was never written has none.

        They begin at byte `offset`, or `last_bytes` before the end, where the first line may be a part of one. Raises
        ClusterError.
        """
        begin = {"origin": "start", "offset": str(offset)}
        if last_bytes is not None:
            begin = {"origin": "end", "offset": str(last_bytes)}
        parameters = {**self._parameters, **begin, "task": task, "type": stream,
                      "plain": "true", "follow": "true" if follow else "false"}  # fmt: skip
        try:
            with self._client.stream("GET", allocation, params=parameters) as answer:
                if answer.status_code == 404:
                    return
                if answer.status_code != 200:
                    text = answer.read().decode(errors="replace").strip()
                    raise ClusterError(f"Nomad at {self._address}: logs of {allocation[:8]}: {text}", _HINT)
                yield from _lines(answer.iter_raw())
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise ClusterError(
                f"Nomad at {self._address}: logs of {allocation[:8]}: {error}", _HINT
            ) from error


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
    if rest:
        yield rest
