"""What an instance's health check answered last: the catalogue's word, or that of the instance itself."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from wasmdeploy_cli.deployment.consul import Consul
from wasmdeploy_cli.errors import ClusterError
from wasmdeploy_cli.job.route import services
from wasmdeploy_cli.nomad import Nomad
from wasmdeploy_cli.web import request

_CONSUL = re.compile(r"HTTP GET https?://[^/ ]+(/\S*): (\d{3}[^\n]*?) Output: (.*)", re.DOTALL)
_REFUSED = re.compile(r'Get "https?://[^/ ]+(/[^"]*)": (.*)', re.DOTALL)
_MOST = 200  # characters of an answer's body that are shown


def failing(job: dict[str, Any], allocations: Iterable[str], nomad: Nomad, consul: Consul) -> dict[str, str]:
    """The answers of checks that do not pass, by allocation; empty for those that cannot be asked for.

    Consul's servers hear of a new answer with the same status only every few minutes: then the instance is asked.
    """
    found: dict[str, str] = {}
    path = next(
        (check["Path"] for each in services(job) for check in each.get("Checks") or () if check.get("Path")),
        "",
    )
    checks = _checks(job, consul)
    for allocation in allocations:
        told = next((text for service, text in checks.items() if allocation in service), "")
        if text := told or (_asked(nomad, allocation, path) if path else ""):
            found[allocation] = text
    return found


def answer(output: str) -> str:
    """Consul's report of an HTTP check in our words."""
    if match := _CONSUL.fullmatch(output):
        return _said(match[1], match[2], match[3])
    if match := _REFUSED.fullmatch(output):
        return f"GET {match[1]} failed: {_short(match[2])}"
    return _short(output)


def _checks(job: dict[str, Any], consul: Consul) -> dict[str, str]:
    """What Consul knows of checks that do not pass, by the service's id, which holds the allocation's."""
    found: dict[str, str] = {}
    for service in services(job):
        if service["Provider"] == "consul" and consul.known:
            try:
                checks = consul.checks(service["Name"])
            except ClusterError:  # a deploy goes on where only its news from Consul stay away
                continue
            found |= {
                each["ServiceID"]: answer(each["Output"])
                for each in checks
                if each["Status"] != "passing" and each.get("Output")
            }
    return found


def _asked(nomad: Nomad, allocation: str, path: str) -> str:
    try:
        ports = nomad.ports(allocation)
        reply = request("the instance", "GET", f"http://{ports[0]}{path}", timeout=2) if ports else None
    except ClusterError:  # it does not run yet, or its node cannot be reached from here
        return ""
    if reply is None or 200 <= reply.status < 300:
        return ""
    return _said(path, f"{reply.status} {reply.reason}".rstrip(), reply.body.decode(errors="replace"))


def _said(path: str, status: str, body: str) -> str:
    text = _short(body)
    return f"GET {path} answered {status}" + (f": {text}" if text else "")


def _short(text: str) -> str:
    return " ".join(text.split())[:_MOST]
