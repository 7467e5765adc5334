"""What one app needs in Vault to read its own secrets and nothing else: a policy, and a role of the JWT method.

Nomad signs in each task with a token that says which job it is. The role takes only this job's, and gives it
the policy; the policy names the paths of the manifest, without wildcards.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wasmdeploy_cli.manifest import App
from wasmdeploy_cli.secrets.place import Place, of_app

_PERIOD = 1800  # seconds; Nomad renews the token long before


@dataclass(frozen=True, slots=True)
class Access:
    """The policy's text and the role's settings, both called `name`."""

    name: str
    policy: str
    role: Mapping[str, Any]


def access(app: App, audience: str) -> Access:
    """The least that lets the app read its secrets."""
    name = access_name(app)
    lines = [f"# The secrets of the app {app.name} in the Nomad namespace {app.namespace}."]
    for path in dict.fromkeys(api_path(place) for place in of_app(app)):
        lines += [f'path "{path}" {{', '  capabilities = ["read"]', "}"]
    if any(place.dynamic for place in of_app(app)):
        # Renewing a lease is in Vault's default policy, ending it is not. A lease's name cannot be guessed.
        lines += ['path "sys/leases/revoke" {', '  capabilities = ["update"]', "}"]
    role = {
        "role_type": "jwt",
        "bound_audiences": [audience],
        "bound_claims_type": "string",
        "bound_claims": {"nomad_namespace": app.namespace, "nomad_job_id": app.name},
        "user_claim": "/nomad_job_id",
        "user_claim_json_pointer": True,
        "claim_mappings": {
            "nomad_namespace": "nomad_namespace",
            "nomad_job_id": "nomad_job_id",
            "nomad_task": "nomad_task",
        },
        "token_type": "service",
        "token_period": _PERIOD,
        "token_policies": [name],
    }
    return Access(name, "\n".join(lines) + "\n", role)


def access_name(app: App) -> str:
    """A name that no other app has: dots are in no name of a namespace or app, and Vault lowers capital letters."""
    name = f"wasmdeploy.{app.namespace}.{app.name}"
    if name == name.lower():
        return name
    return f"{name.lower()}.{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def api_path(place: Place) -> str:
    """Where Vault's API has a secret: KV version 2 keeps what is below a mount's `data/`, other engines do not."""
    mount, _, rest = place.path.partition("/")
    return place.path if place.dynamic else f"{mount}/data/{rest}"
