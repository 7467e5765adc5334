"""Vault: whether it works, what our token may do, and whether the app's identity gets its secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wasmdeploy_cli.doctor.finding import Finding, failed
from wasmdeploy_cli.errors import SecretError
from wasmdeploy_cli.manifest import App
from wasmdeploy_cli.nomad import Settings
from wasmdeploy_cli.secrets import Place, of_app
from wasmdeploy_cli.secrets.policy import api_path
from wasmdeploy_cli.vault import Kv, Vault

_RULE = re.compile(r'path\s+"([^"]+)"\s*\{(.*?)\}\s*(?=path|$|#)', re.S)
_ALIAS = r"\{\{identity\.entity\.aliases\.[^.}]+\.metadata\."


@dataclass(frozen=True, slots=True)
class Identity:
    """How Nomad signs tasks in to Vault, as its agent's configuration says; None where we may not see it."""

    path: str = "jwt-nomad"
    role: str = ""
    audience: tuple[str, ...] | None = None


def identity(agent: Mapping[str, Any] | None) -> Identity | None:
    """Read it from what /v1/agent/self answers; None where Nomad has no Vault."""
    vaults = ((agent or {}).get("config") or {}).get("Vaults") or []
    for each in vaults:
        if each.get("Name", "default") == "default" and each.get("Enabled"):
            given = (each.get("DefaultIdentity") or {}).get("Audience")
            return Identity(
                each.get("JWTAuthBackendPath") or "jwt-nomad", each.get("Role") or "", tuple(given or ())
            )
    return None


def vault_findings(settings: Settings, app: App, agent: Mapping[str, Any] | None) -> list[Finding]:
    """Vault, as far as this app needs it: nothing for an app without secrets."""
    if not app.secrets:
        return []
    if not settings.vault:
        return [
            Finding(
                "cluster",
                "vault",
                "note",
                "not checked: no Vault is known here",
                "",
                "set VAULT_ADDR and VAULT_TOKEN",
            )
        ]
    try:
        vault = Vault(settings)
        health = vault.health()
        if health.get("sealed"):
            return [
                Finding(
                    "cluster",
                    "vault",
                    "error",
                    f"Vault at {settings.vault} is sealed",
                    "sys/health: sealed",
                    "vault operator unseal",
                )
            ]
        found = [
            Finding(
                "cluster", "vault", "ok", "answers", f"{settings.vault}, version {health.get('version', '?')}"
            ),
            *_token(vault.token()),
            *_stored(vault, of_app(app)),
        ]
        signed = identity(agent) if agent is not None else Identity()
        if signed is None:
            return [
                *found,
                Finding(
                    "cluster",
                    "vault identity",
                    "error",
                    "Nomad is not configured for Vault: tasks get no token",
                    "its agent has no enabled vault block",
                    "add vault { } to Nomad's configuration: docs/operators.md",
                ),
            ]
        return found + _role(vault, app, signed)
    except SecretError as error:
        return [failed("cluster", "vault", error)]


def _token(token: Mapping[str, Any]) -> list[Finding]:
    ttl = int(token.get("ttl") or 0)
    if not ttl or ttl > 600:
        return []
    return [
        Finding(
            "cluster",
            "vault token",
            "warning",
            f"your token ends in {ttl} s",
            str(token.get("display_name", "")),
            "vault token renew; or vault login",
        )
    ]


def _stored(vault: Vault, places: tuple[Place, ...]) -> list[Finding]:
    kv, missing = Kv(vault), []
    stored = {path: kv.read(path) for path in dict.fromkeys(p.path for p in places if not p.dynamic)}
    missing = [p for p in places if not p.dynamic and stored[p.path].secret(p.field) is None]
    if not missing:
        return [Finding("cluster", "secrets", "ok", f"Vault has {len(places)} of {len(places)} secrets")]
    return [
        Finding(
            "cluster",
            "secrets",
            "error",
            f"Vault has no {place.name}",
            str(place),
            f"wasmdeploy secrets set {place.name}",
        )
        for place in missing
    ]


def _role(vault: Vault, app: App, signed: Identity) -> list[Finding]:
    config = vault.call("GET", f"auth/{signed.path}/config", act=f"read the JWT method auth/{signed.path}")
    default = str(((config or {}).get("data") or {}).get("default_role") or "")
    name = app.deploy.vault.role or signed.role or default
    if not name:
        return [
            Finding(
                "cluster",
                "vault role",
                "error",
                "neither the manifest nor Vault names a role",
                f"auth/{signed.path}/config has no default_role",
                "wasmdeploy secrets setup",
            )
        ]
    answer = vault.call("GET", f"auth/{signed.path}/role/{name}", act=f"read the role {name}")
    if answer is None:
        return [
            Finding(
                "cluster",
                "vault role",
                "error",
                f"Vault has no role {name!r}",
                f"auth/{signed.path}/role/{name}",
                "wasmdeploy secrets setup; or set deploy.vault.role in the manifest",
            )
        ]
    role = answer["data"]
    policies = {
        each: str(((vault.call("GET", f"sys/policies/acl/{each}") or {}).get("data") or {}).get("policy", ""))
        for each in role.get("token_policies") or []
    }
    return role_findings(app, name, role, policies, signed)


def role_findings(
    app: App, name: str, role: Mapping[str, Any], policies: Mapping[str, str], signed: Identity
) -> list[Finding]:
    """Whether the role takes the job's identity, and its policies let it read every place."""
    audiences = tuple(role.get("bound_audiences") or ())
    if signed.audience is not None and audiences and not set(audiences) & set(signed.audience):
        return [
            Finding(
                "cluster",
                "vault role",
                "error",
                f"the role {name!r} takes another audience than Nomad's identities have",
                f"Vault: {', '.join(audiences)}; Nomad: {', '.join(signed.audience) or 'none'}",
                f"vault write auth/{signed.path}/role/{name} bound_audiences=…; or default_identity.aud in Nomad",
            )
        ]
    job = {"nomad_namespace": app.namespace, "nomad_job_id": app.name}
    for claim, value in (role.get("bound_claims") or {}).items():
        allowed = value if isinstance(value, list) else [value]
        if claim in job and role.get("bound_claims_type") != "glob" and job[claim] not in allowed:
            return [
                Finding(
                    "cluster",
                    "vault role",
                    "error",
                    f"the role {name!r} is another job's",
                    f"{claim} must be {', '.join(map(str, allowed))}, and is {job[claim]}",
                    "set deploy.vault.role in the manifest: wasmdeploy secrets setup tells the name",
                )
            ]
    unread = [
        place
        for place in of_app(app)
        if not any(allows(text, api_path(place), job) for text in policies.values())
    ]
    if unread:
        return [
            Finding(
                "cluster",
                "vault policy",
                "error",
                f"no policy of the role {name!r} lets the app read {place.name}",
                f"{api_path(place)}; policies: {', '.join(policies) or 'none'}",
                "wasmdeploy secrets setup",
            )
            for place in unread
        ]
    return [
        Finding(
            "cluster",
            "vault role",
            "ok",
            "lets the app read its secrets",
            f"role {name}, {', '.join(policies)}",
        )
    ]


def allows(policy: str, path: str, job: Mapping[str, str]) -> bool:
    """Whether a policy's text has a rule that lets this job read the path; the last `*` and `+` are wildcards."""
    for rule, body in _RULE.findall(policy):
        named = rule
        for claim, value in job.items():
            named = re.sub(rf"{_ALIAS}{claim}\}}\}}", value, named)
        pattern = "/".join(
            "[^/]+" if part == "+" else re.escape(part) for part in named.removesuffix("*").split("/")
        )
        if re.fullmatch(pattern + (".*" if named.endswith("*") else ""), path) and re.search(
            r'"(read|root|sudo)"', body
        ):
            return True
    return False
