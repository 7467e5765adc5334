"""Whether a role and its policies serve an app, decided from their texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wasmdeploy_cli.doctor.vault import Identity, allows, identity, role_findings
from wasmdeploy_cli.manifest import App, load
from wasmdeploy_cli.stack.vault import policy as stack_policy

JOB = {"nomad_namespace": "prod", "nomad_job_id": "shop"}
MANIFEST = """
[application]
name = "shop"
[variables]
token = { secret = true }
[[trigger.http]]
route = "/..."
component = "c"
[component.c]
source = "c.wasm"
[deploy]
namespace = "prod"
"""


@pytest.fixture
def app(tmp_path: Path) -> App:
    """An app with one secret."""
    (tmp_path / "wasmdeploy.toml").write_text(MANIFEST)
    return load(tmp_path)


def rule(path: str, right: str = "read") -> str:
    """A policy of one rule."""
    return f'path "{path}" {{\n  capabilities = ["{right}"]\n}}\n'


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        (rule("secret/data/prod/shop"), True),
        (rule("secret/data/prod/shop", "list"), False),
        (rule("secret/data/prod/*"), True),
        (rule("secret/data/+/shop"), True),
        (rule("secret/data/+"), False),
        (rule("secret/data/prod/shop/*"), False),
        (rule("secret/data/other") + rule("secret/data/prod/shop"), True),
        (stack_policy("auth_jwt_1"), True),
        (stack_policy("auth_jwt_1").replace("nomad_job_id", "nomad_task"), False),
        ("", False),
    ],
)
def test_what_a_policy_allows(text: str, allowed: bool) -> None:
    """Exact paths, wildcards and the job's own names in templates are understood as Vault does."""
    assert allows(text, "secret/data/prod/shop", JOB) is allowed


@pytest.mark.parametrize(
    ("role", "policy", "severity", "words"),
    [
        ({}, rule("secret/data/prod/shop"), "ok", "lets the app read its secrets"),
        ({"bound_audiences": ["else"]}, rule("secret/data/prod/shop"), "error", "takes another audience"),
        (
            {"bound_claims": {"nomad_job_id": "bank"}},
            rule("secret/data/prod/shop"),
            "error",
            "is another job's",
        ),
        (
            {"bound_claims": {"nomad_job_id": ["shop", "x"]}},
            rule("secret/data/prod/shop"),
            "ok",
            "lets the app",
        ),
        ({}, rule("secret/data/prod/bank"), "error", "no policy of the role 'r' lets the app read token"),
    ],
)
def test_what_a_role_does(app: App, role: dict[str, Any], policy: str, severity: str, words: str) -> None:
    """The audience, the claims and the policies are each one finding."""
    whole = {"bound_audiences": ["vault.io"], **role}
    (finding,) = role_findings(app, "r", whole, {"p": policy}, Identity(audience=("vault.io",)))
    assert finding.severity == severity
    assert words in finding.message


def test_nomads_own_configuration() -> None:
    """Where Nomad signs its tasks in is read from its agent; an agent without Vault has none."""
    vault = {
        "Enabled": True,
        "JWTAuthBackendPath": "jwt",
        "Role": "r",
        "DefaultIdentity": {"Audience": ["a"]},
    }
    assert identity({"config": {"Vaults": [vault]}}) == Identity("jwt", "r", ("a",))
    assert identity({"config": {"Vaults": [{**vault, "Enabled": False}]}}) is None
    assert identity({"config": {"Vaults": []}}) is None
