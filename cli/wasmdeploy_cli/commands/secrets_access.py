"""`wasmdeploy secrets policy` and `setup`: what the app needs in Vault to read its secrets."""

from __future__ import annotations

from typing import Annotated

import typer

from wasmdeploy_cli.commands.options import HERE, Environment, Json, ManifestPath
from wasmdeploy_cli.console import Output

JwtPath = Annotated[
    str, typer.Option("--jwt-path", metavar="PATH", help="Where Vault has Nomad's JWT method.")
]
Audience = Annotated[str, typer.Option(metavar="NAME", help="Audience of Nomad's identities for Vault.")]
_JWT_PATH, _AUDIENCE = "jwt-nomad", "vault.io"  # as Nomad's documentation has them, and `stack up`


def policy(
    path: ManifestPath = HERE,
    env: Environment = "",
    audience: Audience = _AUDIENCE,
    as_json: Json = False,
) -> None:
    """Print the Vault policy and JWT role that this app needs.

    They let this job read its own secrets and nothing else. Vault is not asked.

    Example: wasmdeploy secrets policy --json | jq -r .policy > shop.hcl
    """
    import json

    from wasmdeploy_cli.manifest import load
    from wasmdeploy_cli.secrets.policy import access

    out = Output(as_json)
    wanted = access(load(path, env), audience)
    if as_json:
        out.data({"name": wanted.name, "policy": wanted.policy, "role": dict(wanted.role)})
        return
    out.data(wanted.policy)
    out.data(f"# The role {wanted.name} of Nomad's JWT method:")
    out.data(json.dumps(wanted.role, indent=2))


def setup(
    path: ManifestPath = HERE,
    env: Environment = "",
    jwt_path: JwtPath = _JWT_PATH,
    audience: Audience = _AUDIENCE,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    as_json: Json = False,
) -> None:
    """Make that policy and role in Vault.

    What is as it should be stays untouched. The job asks for the role once the manifest names it.

    Example: wasmdeploy secrets setup --dry-run
    """
    from wasmdeploy_cli.manifest import load
    from wasmdeploy_cli.nomad import settings
    from wasmdeploy_cli.secrets.policy import access
    from wasmdeploy_cli.secrets.setup import setup
    from wasmdeploy_cli.vault import Vault

    out = Output(as_json)
    app = load(path, env)
    wanted = access(app, audience)
    for step in setup(Vault(settings()), wanted, jwt_path, write=not dry_run):
        would = "would be " if dry_run and step.outcome != "unchanged" else ""
        text = "\n".join([f"{step.path}: {would}{step.outcome}", *(f"  {line}" for line in step.changes)])
        out.event(
            step.outcome, text, kind=step.kind, path=step.path, changes=list(step.changes), written=not would
        )
    if app.deploy.vault.role != wanted.name:
        out.event("manifest", f'Next: write [deploy.vault] role = "{wanted.name}" in {app.path}, and deploy')
