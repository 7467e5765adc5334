"""Consul: where the app's service is registered, and what Traefik routes by."""

from __future__ import annotations

from wasmdeploy_cli.doctor.api import Api
from wasmdeploy_cli.doctor.finding import Finding, failed
from wasmdeploy_cli.errors import ClusterError


def consul_findings(api: Api) -> list[Finding]:
    """Whether it answers, has a leader, and shows its catalogue to our token."""
    address = api.settings.consul
    if not address:
        return [
            Finding(
                "cluster",
                "consul",
                "note",
                "not checked: no Consul is known here",
                "",
                "set CONSUL_HTTP_ADDR",
            )
        ]
    try:
        if not (leader := api.consul("status/leader")):
            return [
                Finding(
                    "cluster",
                    "consul",
                    "error",
                    "Consul has no leader",
                    address,
                    "consul operator raft list-peers",
                )
            ]
        services = api.consul("catalog/services") or {}
    except ClusterError as error:
        return [failed("cluster", "consul", error)]
    if api.settings.consul_token.reveal() and "consul" not in services:
        # Consul leaves out what a token may not see, rather than refusing.
        return [
            Finding(
                "cluster",
                "consul",
                "warning",
                "the token sees no services",
                f"{len(services)} services",
                'give its policy: service_prefix "" { policy = "read" }',
            )
        ]
    return [
        Finding("cluster", "consul", "ok", "answers", f"{address}, leader {leader}, {len(services)} services")
    ]


def healthy_instances(api: Api, service: str) -> int | None:
    """How many instances Traefik should route to; None where that cannot be known."""
    if not api.settings.consul:
        return None
    try:
        return len(api.consul(f"health/service/{service}?passing=true") or [])
    except ClusterError:
        return None
