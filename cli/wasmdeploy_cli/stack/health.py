"""Asks the members how they are, over HTTP; Nomad is also asked to empty and refill its nodes."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any

import httpx  # noqa: TID251  this module is the stack's one client of Consul, Nomad and Traefik

from wasmdeploy_cli.errors import StackError
from wasmdeploy_cli.stack.vault import LOOK, Vault

_DRAINED_BY = {"by": "wasmdeploy stack down"}
_FORCE_NOW = -1  # a drain deadline below zero: stop everything at once


def _client(timeout: float = 5.0) -> httpx.Client:
    """A client for plain HTTP on loopback: no proxies, and no time spent on loading certificates."""
    return httpx.Client(timeout=timeout, trust_env=False, verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))


def _json(url: str) -> Any:
    """What a GET answers, None unless it is 200 and JSON."""
    try:
        with _client() as client:
            response = client.get(url)
        return response.json() if response.status_code == 200 else None
    except (httpx.HTTPError, ValueError):
        return None


def consul(address: str) -> str:
    """What is wrong with Consul; nothing when it has a leader."""
    return "" if _json(f"{address}/v1/status/leader") else "no leader yet"


def vault(address: str) -> str:
    """What is wrong with Vault; nothing when it is unsealed and active."""
    with Vault(address, timeout=5.0) as server:
        health = server.health()
    if health is None:
        return "does not answer"
    if not health.get("initialized"):
        return "not initialised"
    if health.get("sealed"):
        return "sealed"
    return "not active yet" if health.get("standby") else ""


def nomad(address: str) -> str:
    """What is wrong with the Nomad server; nothing when it leads and can sign identities."""
    if not _json(f"{address}/v1/status/leader"):
        return "no leader yet"
    return "" if (_json(f"{address}/.well-known/jwks.json") or {}).get("keys") else "its keyring is not ready"


def client(address: str, driver: bool) -> str:
    """What is wrong with a Nomad client; nothing when it is ready and its driver healthy."""
    agent = _json(f"{address}/v1/agent/self")
    if not agent:
        return "does not answer"
    stats = agent.get("stats", {}).get("client", {})
    # Set by this very process's first heartbeat: a node that crashed counts as ready for some seconds.
    if stats.get("heartbeat_ttl", "0s") == "0s":
        return "it has not registered"
    node = _json(f"{address}/v1/node/{stats.get('node_id')}")
    if not node or node.get("Status") != "ready":
        return f"the node is {node.get('Status') if node else 'unknown'}"
    wasm = (node.get("Drivers") or {}).get("wasm") or {}
    if driver and not wasm.get("Healthy"):
        return f"the wasm driver is not healthy: {wasm.get('HealthDescription') or 'not detected'}"
    return ""


def traefik(address: str) -> str:
    """What is wrong with Traefik; nothing when it answers on its private entry point."""
    try:
        with _client() as client:
            answer = client.get(f"{address}/ping")
    except httpx.HTTPError:
        return "does not answer"
    return "" if answer.status_code == 200 else f"answers {answer.status_code}"


def own_node(address: str) -> str:
    """The id of the node that a Nomad agent is; raises StackError when it does not answer."""
    agent = _json(f"{address}/v1/agent/self")
    if agent is None:
        raise StackError(f"Nomad at {address} does not answer", LOOK)
    return str(agent["stats"]["client"]["node_id"])


def close(address: str, node: str) -> None:
    """Let nothing new start on a node."""
    put(f"{address}/v1/node/{node}/eligibility", {"Eligibility": "ineligible"})


def drain(address: str, node: str) -> None:
    """Stop what runs on a node, and let nothing new start there; its jobs stay registered."""
    put(f"{address}/v1/node/{node}/drain", {"DrainSpec": {"Deadline": _FORCE_NOW}, "Meta": _DRAINED_BY})


def refill(address: str, node: str) -> None:
    """Let jobs start again on a node that `drain` emptied; one that the user drained stays as it is."""
    last = (_json(f"{address}/v1/node/{node}") or {}).get("LastDrain") or {}
    if last.get("Meta") != _DRAINED_BY or last.get("Status") == "canceled":
        return
    put(f"{address}/v1/node/{node}/drain", {"DrainSpec": None, "MarkEligible": True})


def running(address: str, node: str) -> list[str]:
    """The ids of the allocations on a node that have not ended."""
    allocations = _json(f"{address}/v1/node/{node}/allocations")
    if allocations is None:
        raise StackError(f"Nomad at {address} does not list the allocations of node {node}", LOOK)
    return [each["ID"] for each in allocations if each["ClientStatus"] in {"pending", "running", "unknown"}]


def put(url: str, body: Mapping[str, Any]) -> None:
    """Tell Nomad something; StackError for no answer or a refusal."""
    try:
        with _client(timeout=30.0) as client:
            response = client.put(url, json=body)
    except httpx.HTTPError as error:
        raise StackError(f"Nomad: PUT {url}: {error}", LOOK) from error
    if response.is_error:
        raise StackError(f"Nomad: PUT {url}: {response.status_code} {response.text.strip()}", LOOK)
