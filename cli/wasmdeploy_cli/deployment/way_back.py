"""The version that `rollback` goes back to: which one it is, and that Nomad does not forget it.

Nomad remembers the newest six versions, and those with a tag. Each scale, restart and rollback is a version, too, and
a deploy that fails is two: without a tag some of them would drive the app's version before out.
"""

from __future__ import annotations

from typing import Any

from wasmdeploy_cli.console import Output
from wasmdeploy_cli.errors import ClusterError, DeployError
from wasmdeploy_cli.nomad import Nomad

Json = dict[str, Any]
_TAG = "wasmdeploy-rollback"


def keep(nomad: Nomad, name: str, out: Output) -> None:
    """Tag the version that `rollback` would go back to now; to be called before another is registered."""
    versions = nomad.versions(name)
    wanted = _newest_other(versions) if versions else None
    if wanted is None or wanted.get("VersionTag"):
        return
    try:
        if any((each.get("VersionTag") or {}).get("Name") == _TAG for each in versions):
            nomad.untag(name, _TAG)
        nomad.tag(name, wanted["Version"], _TAG)
    except ClusterError as error:  # before 1.9 Nomad had no tags
        text = f"Nomad cannot be told to keep version {wanted['Version']} for a rollback: {error.message}"
        out.event("untagged", text, version=wanted["Version"])


def chosen(versions: list[Json], wanted: int | None) -> Json:
    """The version to go back to: `wanted`, or the newest stable one whose app differs from the current one's.

    A rollback is itself a new version with the old app, so that a second one goes forward again.
    """
    if wanted is not None:
        for each in versions:
            if each["Version"] == wanted:
                return each
        known = ", ".join(str(each["Version"]) for each in versions)
        gone = " any more" if wanted < versions[0]["Version"] else ""
        raise DeployError(f"Nomad has no version {wanted}{gone}", f"it has: {known}")
    if (found := _newest_other(versions)) is not None:
        return found
    raise DeployError(
        "there is no other version that was healthy",
        "see: wasmdeploy history; or name one: wasmdeploy rollback N",
    )


def _newest_other(versions: list[Json]) -> Json | None:
    current, *older = versions
    for each in older:
        # A stopped app's newest version is what to start again.
        if each["Stable"] and not each.get("Stop") and (current.get("Stop") or _app(each) != _app(current)):
            return each
    return None


def _app(job: Json) -> tuple[str, str]:
    """What makes a version another app; a secret is always the one that Vault has now."""
    meta = job.get("Meta") or {}
    return meta.get("digest", ""), meta.get("app_version", "")
