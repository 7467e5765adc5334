"""What the shell offers for a name: from the manifest here, and from Nomad where it answers within a second.

A completion never says anything: whatever fails, there is nothing to offer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from wasmdeploy_cli.manifest import App

Offer = list[tuple[str, str]]  # what to type, and what it is
_PATIENCE = 1.0  # seconds


def templates(incomplete: str) -> Offer:
    """The templates of new apps."""
    from wasmdeploy_cli.templates import names

    return _offered(incomplete, lambda: [(name, "template") for name in names()])


def components(ctx: typer.Context, incomplete: str) -> Offer:
    """The components of the manifest that the command line means."""
    return _offered(incomplete, lambda: [(name, "component") for name in _manifest(ctx).component])


def secrets(ctx: typer.Context, incomplete: str) -> Offer:
    """Its secret variables."""
    app = _manifest
    return _offered(
        incomplete, lambda: [(name, app(ctx).variables[name].description) for name in app(ctx).secrets]
    )


def apps(ctx: typer.Context, incomplete: str) -> Offer:
    """The jobs that wasmdeploy made, in the namespace that the command line names."""
    namespace = ctx.params.get("namespace") or "*"
    return _offered(
        incomplete,
        lambda: [
            (str(job["ID"]), f"{job.get('Status')} in {job.get('Namespace')}")
            for job in _nomad(f"jobs?meta=true&namespace={namespace}")
            if "wasmdeploy_version" in (job.get("Meta") or {})
        ],
    )


def versions(ctx: typer.Context, incomplete: str) -> Offer:
    """The versions of the app that Nomad still has, newest first."""
    return _offered(incomplete, lambda: _versions(ctx))


def _versions(ctx: typer.Context) -> Offer:
    from urllib.parse import quote

    name, namespace = ctx.params.get("app") or "", ctx.params.get("namespace") or ""
    if not name:
        manifest = _manifest(ctx)
        name, namespace = manifest.name, namespace or manifest.namespace
    answer = _nomad(f"job/{quote(name, safe='')}/versions?namespace={namespace or 'default'}")
    return [(str(each["Version"]), _described(each)) for each in answer["Versions"]]


def _described(job: Mapping[str, Any]) -> str:
    version = (job.get("Meta") or {}).get("app_version", "")
    return " ".join(filter(None, (version, "stable" if job.get("Stable") else "")))


def _manifest(ctx: typer.Context) -> App:
    from wasmdeploy_cli.manifest import load

    return load(Path(ctx.params.get("path") or ctx.params.get("manifest") or "."))


def _nomad(path: str) -> Any:
    import json

    from wasmdeploy_cli.nomad.settings import settings
    from wasmdeploy_cli.web import request

    where = settings()
    url = f"{where.nomad}/v1/{path}"
    answer = request("Nomad", "GET", url, tls=where.nomad_tls, headers=where.nomad_headers, timeout=_PATIENCE)
    return json.loads(answer.body)


def _offered(incomplete: str, names: Callable[[], Iterable[tuple[str, str]]]) -> Offer:
    try:
        return [each for each in names() if each[0].startswith(incomplete)]
    except Exception:  # noqa: BLE001  a word about it would land in the middle of what the user types
        return []
