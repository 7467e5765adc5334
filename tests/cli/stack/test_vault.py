"""What a stack's Vault lets jobs read."""

from wasmdeploy_cli.stack.vault import policy


def test_policy() -> None:
    """A job reads its own secrets in its own namespace, and what lies below them."""
    alias = "identity.entity.aliases.auth_jwt_1.metadata"
    own = f"{{{{{alias}.nomad_namespace}}}}/{{{{{alias}.nomad_job_id}}}}"
    assert policy("auth_jwt_1") == (
        f'path "secret/data/{own}" {{\n  capabilities = ["read"]\n}}\n'
        f'path "secret/data/{own}/*" {{\n  capabilities = ["read"]\n}}\n'
        f'path "secret/metadata/{own}/*" {{\n  capabilities = ["list"]\n}}\n'
    )
