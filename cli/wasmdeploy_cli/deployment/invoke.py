"""One request to a deployed app, through Traefik or straight to an instance."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from wasmdeploy_cli.deployment.status import read_status, require_job
from wasmdeploy_cli.deployment.target import Target
from wasmdeploy_cli.errors import ConfigError, DeployError
from wasmdeploy_cli.job.route import CANARY_HEADER, reach
from wasmdeploy_cli.nomad import Nomad, Settings
from wasmdeploy_cli.web import Answer, request

_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Call:
    """What to send; `canary` asks a canary that waits for its promotion."""

    target: str
    method: str
    headers: tuple[str, ...]
    body: bytes
    canary: bool


def body(text: str) -> bytes:
    """The body that an option means: itself, `@FILE`, or `@-` for standard input; raises ConfigError."""
    if text == "@-":
        return sys.stdin.buffer.read()
    if not text.startswith("@"):
        return text.encode()
    try:
        return Path(text[1:]).read_bytes()
    except OSError as error:
        raise ConfigError(f"--data {text}: {error.strerror}") from error


def invoke(nomad: Nomad, target: Target, settings: Settings, call: Call) -> Answer:
    """Send it and give the answer; raises ClusterError, DeployError where nothing serves."""
    job = require_job(nomad, target)
    if job.get("Stop"):
        raise DeployError(f"{target.name} is stopped", "start it: wasmdeploy deploy, or wasmdeploy rollback")
    host = reach(job).host
    headers = _headers(call.headers)
    if host:
        headers.setdefault("Host", host)
    if call.canary:
        headers[CANARY_HEADER] = "true"
    through_traefik = settings.traefik and host
    base = settings.traefik if through_traefik else ""
    if call.canary or not through_traefik:  # without a canary Traefik would send the request to the app
        instance = _instance(nomad, target, settings, canary=call.canary)
        base = base or f"http://{instance}"
    if not call.target.startswith("/") or urlsplit(call.target).netloc:
        raise ConfigError(f"{call.target!r} is no path", "begin it with one slash")
    return request(
        target.name,
        call.method.upper(),
        base + call.target,
        headers=headers,
        content=call.body,
        timeout=_SECONDS,
    )


def _headers(lines: tuple[str, ...]) -> dict[str, str]:
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not (colon and name.strip()):
            raise ConfigError(f"--header {line!r}: expected 'NAME: VALUE'")
        headers[name.strip()] = value.strip()
    return headers


def _instance(nomad: Nomad, target: Target, settings: Settings, *, canary: bool) -> str:
    status = read_status(nomad, target, settings)
    for each in status.allocations:
        if each.address and each.state == "running" and each.healthy and (not canary or each.canary):
            return each.address
    raise DeployError(
        f"no healthy {'canary' if canary else 'instance'} of {target.name} runs", "see: wasmdeploy status"
    )
