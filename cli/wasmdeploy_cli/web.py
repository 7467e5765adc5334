"""Plain HTTP requests to Consul, Vault, Traefik and component servers (a home of httpx)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from wasmdeploy_cli.errors import ClusterError
from wasmdeploy_cli.nomad.tls import Tls

_ADDRESSES = {"Nomad": "NOMAD_ADDR", "Consul": "CONSUL_HTTP_ADDR", "Traefik": "TRAEFIK_ADDR"}


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, a body, the headers, and the words that came with the status."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    reason: str = ""


def request(
    what: str,
    method: str,
    url: str,
    *,
    tls: Tls | None = None,
    headers: Mapping[str, str] | None = None,
    file: Path | None = None,
    content: bytes = b"",
    timeout: float = 10,
    hint: str = "",
) -> Answer:
    """One request; `what` names the other side in the ClusterError where no answer comes, `hint` what to do then."""
    tls = tls or Tls()
    hint = hint or f"check {_ADDRESSES.get(what, 'its address')}, and that it runs"
    context = tls.context()
    try:
        with httpx.Client(verify=context, timeout=timeout) as client:
            if file is None:
                answer = client.request(
                    method,
                    url,
                    headers=dict(headers or {}),
                    content=content or None,
                    extensions=tls.extensions,
                )
            else:
                with file.open("rb") as stream:
                    answer = client.request(
                        method, url, headers=dict(headers or {}), content=stream, extensions=tls.extensions
                    )
    except (httpx.InvalidURL, UnicodeError) as error:  # a host name may be one that cannot be asked for
        raise ClusterError(f"{what}: {url!r} is no URL", hint) from error
    except httpx.TimeoutException as error:
        raise ClusterError(f"{what} at {url} did not answer within {timeout:g} s", hint) from error
    except httpx.HTTPError as error:
        raise ClusterError(f"{what} at {url} cannot be reached", hint) from error
    received = tuple(answer.headers.multi_items())
    return Answer(answer.status_code, answer.content, received, answer.reason_phrase)
