"""Nomad: whether it answers, whether it knows the namespace and region, and what the token may do."""

from __future__ import annotations

import time
from typing import Any

from wasmdeploy_cli.doctor.api import Api
from wasmdeploy_cli.doctor.finding import Finding, failed
from wasmdeploy_cli.doctor.node import agents_findings, clock_finding, disk_finding, nodes_findings
from wasmdeploy_cli.errors import ClusterError
from wasmdeploy_cli.manifest import App


def nomad_findings(api: Api, app: App | None) -> list[Finding]:
    """Nomad itself; an error says that there is nothing more to ask it."""
    address = api.settings.nomad
    try:
        leader = api.nomad("status/leader")
        regions = api.nomad("regions") or []
        namespace = app.namespace if app else "default"
        api.nomad("jobs", namespace)  # what a token that Nomad does not know is refused
        known = api.nomad(f"namespace/{namespace}") is not None
    except ClusterError as error:
        return [failed("cluster", "nomad", error)]
    if not leader:
        return [
            Finding(
                "cluster", "nomad", "error", "Nomad has no leader", address, "nomad operator raft list-peers"
            )
        ]
    if app and app.deploy.region not in regions:
        return [
            Finding(
                "cluster",
                "nomad",
                "error",
                f"Nomad has no region {app.deploy.region!r}",
                f"regions: {', '.join(regions)}",
                "set deploy.region in the manifest",
            )
        ]
    if not known:
        return [
            Finding(
                "cluster",
                "nomad",
                "error",
                f"Nomad has no namespace {namespace!r}",
                address,
                f"nomad namespace apply {namespace}",
            )
        ]
    return [
        Finding("cluster", "nomad", "ok", "answers", f"{address}, leader {leader}"),
        *_rights(api, namespace),
    ]


def _rights(api: Api, namespace: str) -> list[Finding]:
    """What a token is, where Nomad has access control."""
    try:
        token = api.nomad("acl/token/self")
    except ClusterError as error:
        if "ACL support disabled" in error.message:
            return []
        return [failed("cluster", "nomad token", error)]
    if token is None or token.get("AccessorID") == "acls-disabled":
        return []
    if token.get("Type") == "management":
        return [Finding("cluster", "nomad token", "ok", "may do everything", str(token.get("Name", "")))]
    names = [*(token.get("Policies") or []), *_of_roles(api, token)]
    policies, rules = ", ".join(names) or "none", " ".join(_rules(api, name) for name in names)
    if "submit-job" in rules or '"write"' in rules:
        return [Finding("cluster", "nomad token", "ok", "may submit jobs", f"policies: {policies}")]
    return [
        Finding(
            "cluster",
            "nomad token",
            "error",
            f"the token may not submit jobs in {namespace}",
            f"policies: {policies}",
            f'add to a policy of it: namespace "{namespace}" {{ policy = "write" }}',
        )
    ]


def _of_roles(api: Api, token: dict[str, Any]) -> list[str]:
    """The policies that a token has through its roles."""
    roles = [api.nomad(f"acl/role/{each['ID']}") or {} for each in token.get("Roles") or []]
    return [str(each["Name"]) for role in roles for each in role.get("Policies") or []]


def _rules(api: Api, policy: str) -> str:
    try:
        return str((api.nomad(f"acl/policy/{policy}") or {}).get("Rules", ""))
    except ClusterError:
        return ""


def node_checks(api: Api, version: str) -> list[Finding]:
    """The nodes' drivers, kernels, disks and clocks."""
    try:
        stubs = [
            each
            for each in api.nomad("nodes") or []
            if each["Status"] == "ready" and each["SchedulingEligibility"] == "eligible"
        ]
        nodes = [api.nomad(f"node/{each['ID']}") or each for each in stubs]
    except ClusterError as error:
        return [failed("node", "nodes", error)]
    found = nodes_findings(nodes, version) + agents_findings(nodes)
    return found + [finding for node in nodes for finding in _of_its_own(api, node)]


def _of_its_own(api: Api, node: dict[str, Any]) -> list[Finding]:
    """What a node's agent tells of itself."""
    name = str(node["Name"])
    before = time.time()
    try:
        stats = api.nomad(f"client/stats?node_id={node['ID']}") or {}
    except ClusterError as error:
        return [Finding("node", f"node {name}", "note", "its disk and clock are unknown", error.message)]
    after = time.time()
    theirs = int(stats.get("Timestamp") or 0) / 1e9
    # Nomad samples about once a second: a clock that is right may be that much behind.
    skew = theirs - after if theirs > after else min(0.0, theirs - before + 1.5) if theirs else 0.0
    return [each for each in (disk_finding(name, stats), clock_finding(name, skew)) if each]
