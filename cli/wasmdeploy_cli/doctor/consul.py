"""Consul: where the app's service is registered, and what Traefik routes by."""

from __future__ import annotations

from wasmdeploy_cli.deployment.consul import Consul
from wasmdeploy_cli.doctor.finding import Finding, failed
from wasmdeploy_cli.errors import ClusterError
from wasmdeploy_cli.nomad import Settings


def consul_findings(settings: Settings) -> list[Finding]:
    """Whether it answers, has a leader, and shows its catalogue to our token."""
    consul = Consul(settings)
    if not consul.known:
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
        leader, services = consul.leader(), consul.services()
    except ClusterError as error:
        return [failed("cluster", "consul", error)]
    if settings.consul_token.reveal() and "consul" not in services:
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
    seen = f"{settings.consul}, leader {leader}, {len(services)} services"
    return [Finding("cluster", "consul", "ok", "answers", seen)]


def healthy_instances(settings: Settings, service: str) -> int | None:
    """How many instances Traefik should route to; None where that cannot be known."""
    consul = Consul(settings)
    try:
        return consul.healthy(service) if consul.known else None
    except ClusterError:
        return None
