"""The nodes, as Nomad tells of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from wasmdeploy_cli.doctor.finding import Finding

_DRIVER = "wasm"
_KERNEL = (5, 6)  # openat2, pidfd_open: what the executor's isolation builds on
_LOW_DISK = 2 << 30  # bytes; compiled guests and downloads share the disk with everything else
_SKEW_WARNING, _SKEW_ERROR = 2.0, 30.0  # seconds; Vault takes a token that is not valid yet for half a minute


def nodes_findings(nodes: list[Mapping[str, Any]], ours: str) -> list[Finding]:
    """Whether any node can run the app, and what is to be said about those that could; `ours` is our version."""
    able = [node for node in nodes if (node.get("Drivers") or {}).get(_DRIVER, {}).get("Healthy")]
    if not nodes:
        return [
            Finding(
                "node",
                "nodes",
                "error",
                "Nomad has no node that is ready and eligible",
                "",
                "nomad node status",
            )
        ]
    if not able:
        return [_no_driver(nodes)]
    return [finding for node in able for finding in node_findings(node, ours)] + [
        Finding(
            "node",
            f"node {node['Name']}",
            "note",
            "has no healthy driver: the app is never placed there",
            _health(node),
            "wasmdeploy driver install --plugin-dir DIR",
        )
        for node in nodes
        if node not in able
    ]


def agents_findings(nodes: list[Mapping[str, Any]]) -> list[Finding]:
    """Whether each node has a Consul agent of its own.

    A Nomad client removes from its agent, every half minute, the services that it does not know: another client's too.
    """
    users: dict[str, list[str]] = {}
    for node in nodes:
        if agent := str((node.get("Attributes") or {}).get("unique.consul.name", "")):
            users.setdefault(agent, []).append(str(node["Name"]))
    return [
        Finding(
            "node",
            "consul agent",
            "error",
            "nodes share a Consul agent: they remove each other's services, and requests fail",
            f"{', '.join(sorted(names))} use the agent {agent}",
            "run a Consul agent beside each Nomad client, and set consul { address } to it",
        )
        for agent, names in sorted(users.items())
        if len(names) > 1
    ]


def node_findings(node: Mapping[str, Any], ours: str) -> list[Finding]:
    """One node with the driver."""
    check, attributes = f"node {node['Name']}", node.get("Attributes") or {}
    theirs = str(attributes.get("driver.wasm.version", ""))
    evidence = (
        f"driver {theirs}, wasmtime {attributes.get('driver.wasm.wasmtime', '?')}, "
        f"kernel {attributes.get('kernel.version', '?')}, cgroup v{attributes.get('os.cgroups.version', '?')}"
    )
    found = []
    if theirs != ours:
        found.append(
            Finding(
                "node",
                check,
                "warning",
                f"its driver is {theirs or 'of an unknown version'}, this wasmdeploy is {ours}",
                evidence,
                "install the same version there, and restart the agent: see docs/operators.md",
            )
        )
    if (kernel := _numbers(str(attributes.get("kernel.version", "")))) and kernel < _KERNEL:
        found.append(
            Finding(
                "node", check, "error", "its kernel is older than 5.6", evidence, "update the node's kernel"
            )
        )
    if not attributes.get("os.cgroups.version"):
        found.append(
            Finding(
                "node",
                check,
                "warning",
                "it has no cgroups: memory limits do not hold",
                evidence,
                "run the Nomad agent as root, with cgroups mounted",
            )
        )
    found += _open_doors(check, attributes)
    return found or [Finding("node", check, "ok", "can run the app", evidence)]


def _open_doors(check: str, attributes: Mapping[str, Any]) -> list[Finding]:
    """What the kernel does not keep from processes there; a driver of before does not tell."""
    missing = {
        "driver.wasm.landlock": (
            "0",
            "its kernel has no Landlock",
            "use a kernel with Landlock (5.13, better 6.12)",
        ),
        "driver.wasm.seccomp": ("false", "it has no seccomp filter", "install libseccomp.so.2 there"),
    }
    return [
        Finding(
            "node",
            check,
            "note",
            f"{said}: the executors' files and calls are not kept apart",
            f"{name}={none}",
            fix,
        )
        for name, (none, said, fix) in missing.items()
        if str(attributes.get(name, "")) == none
    ]


def disk_finding(node: str, stats: Mapping[str, Any]) -> Finding | None:
    """What is wrong with the disk that holds allocations and, by default, compiled guests."""
    free = int((stats.get("AllocDirStats") or {}).get("Available") or 0)
    if not free or free > _LOW_DISK:
        return None
    return Finding(
        "node",
        f"node {node}",
        "warning",
        f"only {free / 1e9:.1f} GB of disk are free",
        "components are downloaded and compiled there",
        "nomad system gc; or remove data_dir/cache of the driver",
    )


def clock_finding(node: str, skew: float) -> Finding | None:
    """What is wrong with a clock that is `skew` seconds ahead of ours (negative: behind)."""
    if abs(skew) < _SKEW_WARNING:
        return None
    return Finding(
        "node",
        f"node {node}",
        "error" if abs(skew) >= _SKEW_ERROR else "warning",
        f"its clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} this machine's",
        "identities and Vault's tokens are valid by the clock",
        "timedatectl set-ntp true, on both",
    )


def _no_driver(nodes: list[Mapping[str, Any]]) -> Finding:
    found = [node for node in nodes if (node.get("Drivers") or {}).get(_DRIVER, {}).get("Detected")]
    if found:
        return Finding(
            "node",
            "driver",
            "error",
            "the driver 'wasm' is unhealthy on every node",
            _health(found[0]),
            "look at the Nomad client's log",
        )
    return Finding(
        "node",
        "driver",
        "error",
        "no Nomad node has the driver 'wasm'",
        f"ready and eligible: {', '.join(str(node['Name']) for node in nodes)}",
        "wasmdeploy driver install --plugin-dir DIR, on a node; then restart its agent",
    )


def _health(node: Mapping[str, Any]) -> str:
    return str((node.get("Drivers") or {}).get(_DRIVER, {}).get("HealthDescription", "not detected"))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])
