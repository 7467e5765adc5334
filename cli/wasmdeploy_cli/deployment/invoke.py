"""One request to a deployed app, through Traefik or straight to an instance."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from wasmdeploy_cli.deployment.status import read_status, require_job
from wasmdeploy_cli.deployment.target import Target
from wasmdeploy_cli.errors import ConfigError, DeployError
from wasmdeploy_cli.job.route import CANARY_HEADER, reach
from wasmdeploy_cli.nomad import Nomad, Settings
from wasmdeploy_cli.web import Answer, request

_SECONDS = 60.0
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2


@dataclass(frozen=True, slots=True)
class Call:
    """What to send; `canary` asks a canary that waits for its promotion."""

    target: str
    method: str
    headers: Mapping[str, str]
    body: bytes
    canary: bool


def read_call(target: str, method: str, headers: Iterable[str], data: str, *, canary: bool) -> Call:
    """The request that the command line means; raises ConfigError where it means none."""
    if not target.startswith("/") or target.startswith("//") or not target.isprintable():
        raise ConfigError(f"{target!r} is no path", "begin it with one slash")
    if not _TOKEN.fullmatch(method):
        raise ConfigError(f"--method {method!r} is no HTTP method", "like --method PUT")
    return Call(target, method.upper(), _headers(headers), _body(data), canary)


def _body(text: str) -> bytes:
    """The body that an option means: itself, `@FILE`, or `@-` for standard input; raises ConfigError."""
    if text == "@-":
        return sys.stdin.buffer.read()
    if not text.startswith("@"):
        return text.encode()
    try:
        return Path(text[1:]).read_bytes()
    except OSError as error:
        raise ConfigError(
            f"--data {text}: {error.strerror}", "name a file that can be read, or @- for standard input"
        ) from error


def invoke(nomad: Nomad, target: Target, settings: Settings, call: Call) -> Answer:
    """Send it and give the answer; raises ClusterError, DeployError where nothing serves."""
    job = require_job(nomad, target)
    if job.get("Stop"):
        raise DeployError(f"{target.name} is stopped", "start it: wasmdeploy deploy, or wasmdeploy rollback")
    host = reach(job).host
    headers = dict(call.headers)
    if host:
        headers.setdefault("Host", host)
    if call.canary:
        headers[CANARY_HEADER] = "true"
    through_traefik = settings.traefik and host
    base = settings.traefik if through_traefik else ""
    if call.canary or not through_traefik:  # without a canary Traefik would send the request to the app
        instance = _instance(nomad, target, settings, canary=call.canary)
        base = base or f"http://{instance}"
    return request(
        target.name,
        call.method,
        base + call.target,
        headers=headers,
        content=call.body,
        timeout=_SECONDS,
    )


def _headers(lines: Iterable[str]) -> dict[str, str]:
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        value = value.strip()
        if not (_TOKEN.fullmatch(name.strip()) and ":" in line and value.isascii() and value.isprintable()):
            raise ConfigError(f"--header {line!r}: expected 'NAME: VALUE'", "like -H 'Accept: text/html'")
        headers[name.strip()] = value
    return headers


def _instance(nomad: Nomad, target: Target, settings: Settings, *, canary: bool) -> str:
    status = read_status(nomad, target, settings)
    for each in status.allocations:
        if each.address and each.state == "running" and each.healthy and (not canary or each.canary):
            return each.address
    raise DeployError(
        f"no healthy {'canary' if canary else 'instance'} of {target.name} runs", "see: wasmdeploy status"
    )
