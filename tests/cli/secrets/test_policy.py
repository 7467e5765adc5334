"""The least that an app needs, and that it is enough: a token of the role reads its path and no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from wasmdeploy_cli.manifest import App, load
from wasmdeploy_cli.secrets.policy import access

MANIFEST = """
[application]
name = "shop"
[variables]
token = {{ secret = true }}
other = {{ secret = true, vault = "kv/team/shared#key" }}
user = {{ secret = true, vault = "database/creds/shop#username" }}
[[trigger.http]]
route = "/..."
component = "c"
[component.c]
source = "c.wasm"
[deploy]
namespace = "{namespace}"
"""


def app(directory: Path, namespace: str = "prod") -> App:
    """An app with three kinds of secrets."""
    (directory / "wasmdeploy.toml").write_text(MANIFEST.format(namespace=namespace))
    return load(directory)


def test_the_policy_names_the_apps_paths(tmp_path: Path) -> None:
    """One rule to read for each path, an engine's own path as it is, and no wildcard."""
    assert access(app(tmp_path), "vault.io").policy == (
        "# The secrets of the app shop in the Nomad namespace prod.\n"
        'path "secret/data/prod/shop" {\n  capabilities = ["read"]\n}\n'
        'path "kv/data/team/shared" {\n  capabilities = ["read"]\n}\n'
        'path "database/creds/shop" {\n  capabilities = ["read"]\n}\n'
        'path "sys/leases/revoke" {\n  capabilities = ["update"]\n}\n'
    )


def test_the_role_takes_this_job_only(tmp_path: Path) -> None:
    """Job and namespace are bound as they are, so that no other job gets the policy."""
    wanted = access(app(tmp_path), "our.vault")
    assert wanted.name == "wasmdeploy.prod.shop"
    assert wanted.role["bound_claims"] == {"nomad_namespace": "prod", "nomad_job_id": "shop"}
    assert (wanted.role["bound_claims_type"], wanted.role["bound_audiences"]) == ("string", ["our.vault"])
    assert wanted.role["token_policies"] == [wanted.name]


def test_names_of_namespaces_that_differ_in_case_only(tmp_path: Path) -> None:
    """Vault lowers the letters of names; two namespaces still get two names."""
    names = {access(app(tmp_path, each), "vault.io").name for each in ("prod", "Prod", "PROD")}
    assert len({name.lower() for name in names}) == 3
    assert all(name == name.lower() for name in names)


@pytest.mark.parametrize("namespace", ["a-b", "a"])
def test_no_two_apps_share_a_name(tmp_path: Path, namespace: str) -> None:
    """Dashes in a namespace do not run into the app's name."""
    assert access(app(tmp_path, namespace), "x").name == f"wasmdeploy.{namespace}.shop"
