"""Makes an app's policy and role in Vault, and says what that changed."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from wasmdeploy_cli.errors import SecretError
from wasmdeploy_cli.secrets.policy import Access
from wasmdeploy_cli.vault import Vault

Outcome = Literal["created", "updated", "unchanged"]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing in Vault, whether it changes, and how (lines with + and -)."""

    kind: Literal["policy", "role"]
    path: str
    outcome: Outcome
    changes: tuple[str, ...] = ()


def setup(vault: Vault, wanted: Access, jwt_path: str, *, write: bool = True) -> list[Step]:
    """Bring policy and role to what is wanted, only where they differ; without `write`, say what would change.

    Raises SecretError where the method is missing.
    """
    policy_path, role_path = f"sys/policies/acl/{wanted.name}", f"auth/{jwt_path}/role/{wanted.name}"
    if vault.call("GET", f"auth/{jwt_path}/config") is None:
        raise SecretError(
            f"the JWT method at auth/{jwt_path} in Vault at {vault.address} is not configured",
            f"vault write auth/{jwt_path}/config jwks_url=NOMAD/.well-known/jwks.json; see docs/operators.md",
        )
    policy = _data(vault.call("GET", policy_path)).get("policy")
    role = _data(vault.call("GET", role_path))
    steps = [
        _step(
            "policy", policy_path, (policy or "").splitlines(), wanted.policy.splitlines(), policy is not None
        ),
        _step(
            "role",
            role_path,
            settings_of(role, wanted.role),
            settings_of(wanted.role, wanted.role),
            bool(role),
        ),
    ]
    for step, body in zip(steps, ({"policy": wanted.policy}, wanted.role), strict=True):
        if write and step.outcome != "unchanged":
            vault.call("PUT" if step.kind == "policy" else "POST", step.path, body)
    return steps


def settings_of(role: Mapping[str, Any], keys: Mapping[str, Any]) -> list[str]:
    """A role's settings as lines, those of `keys` only: Vault adds many defaults to what was written."""
    return [f"{key} = {_shown(role[key])}" for key in sorted(keys) if key in role]


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {value[key]}" for key in sorted(value))
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _step(
    kind: Literal["policy", "role"], path: str, before: list[str], after: list[str], there: bool
) -> Step:
    if before == after:
        return Step(kind, path, "unchanged")
    lines = [line for line in difflib.ndiff(before, after) if line[0] in "+-"]
    return Step(kind, path, "updated" if there else "created", tuple(lines))


def _data(answer: Mapping[str, Any] | None) -> Mapping[str, Any]:
    return dict((answer or {}).get("data") or {})
