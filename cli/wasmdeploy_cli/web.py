"""Plain HTTP requests to Consul, Vault, Traefik and component servers (a home of httpx)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from wasmdeploy_cli.errors import ClusterError
from wasmdeploy_cli.nomad.tls import Tls


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a body."""

    status: int
    body: bytes


def request(
    what: str,
    method: str,
    url: str,
    *,
    tls: Tls | None = None,
    headers: Mapping[str, str] | None = None,
    file: Path | None = None,
    timeout: float = 10,
) -> Answer:
    """One request; `what` names the other side in the ClusterError where no answer comes."""
    tls = tls or Tls()
    context = tls.context()
    try:
        with httpx.Client(verify=context, timeout=timeout) as client:
            if file is None:
                answer = client.request(method, url, headers=dict(headers or {}), extensions=tls.extensions)
            else:
                with file.open("rb") as content:
                    answer = client.request(
                        method, url, headers=dict(headers or {}), content=content, extensions=tls.extensions
                    )
    except (httpx.InvalidURL, UnicodeError) as error:  # a host name may be one that cannot be asked for
        raise ClusterError(f"{what}: {url!r} is no URL") from error
    except httpx.TimeoutException as error:
        raise ClusterError(f"{what} at {url} did not answer within {timeout:g} s") from error
    except httpx.HTTPError as error:
        raise ClusterError(f"{what} at {url} cannot be reached") from error
    return Answer(answer.status_code, answer.content)
