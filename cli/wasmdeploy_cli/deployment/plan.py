"""What a deploy would change: our own diff of the app, and what Nomad's scheduler would do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from wasmdeploy_cli.console import Output
from wasmdeploy_cli.deployment.placement import no_place
from wasmdeploy_cli.deployment.proposal import Proposal
from wasmdeploy_cli.job.changes import Change, changes, digests
from wasmdeploy_cli.nomad import Nomad

Json = dict[str, Any]
# Nomad's names of what its scheduler does with instances, and ours.
_ACTIONS = {
    "Place": "start",
    "Canary": "start beside the old version",
    "DestructiveUpdate": "replace",
    "InPlaceUpdate": "keep, with new settings",
    "Migrate": "move",
    "Stop": "stop",
    "Ignore": "keep as they are",
}
# What the diff of the app says already, or what follows from it.
_KNOWN = (
    "Meta[", "Count", "Update", "Config", "Service", "Artifact", "Datacenter", "UI", "Region", "Vault",
    "Periodic", "ParameterizedJob", "DispatchPayload",
)  # fmt: skip
_RESOURCES = ("CPU", "MemoryMB")


@dataclass(frozen=True, slots=True)
class Plan:
    """The changes, and how many instances would be started, replaced, kept …"""

    app: str
    namespace: str
    index: int
    changed: bool
    changes: tuple[Change, ...]
    sizes: Mapping[str, int]
    actions: Mapping[str, int]
    unplaced: str
    warnings: str

    def as_json(self) -> Json:
        """The plan as `--json` prints it and `--out` keeps it."""
        listed = [{**asdict(change), "widened": change.widened} for change in self.changes]
        return {**asdict(self), "changes": listed}

    def tell(self, out: Output) -> None:
        """Print the plan for people."""
        where = f"{self.app} in namespace {self.namespace}"
        out.data(f"{where}: {'this would change' if self.changed else 'nothing would change'}")
        for change in self.changes:
            out.data(_line(change, self.sizes))
        for action, count in self.actions.items():
            out.data(f"  instances: {action} {count}")
        if self.unplaced:
            out.data(f"  no place: {self.unplaced}")
        if self.warnings:
            out.data(f"  Nomad warns: {' '.join(self.warnings.split())}")


def make_plan(proposal: Proposal, nomad: Nomad) -> Plan:
    """Ask Nomad what registering the proposal's job would do; nothing is changed. Raises ClusterError."""
    answer = nomad.plan(proposal.job)
    # A stopped job that is registered again is told as an edit of one field; for its user the app is new.
    ours = changes(proposal.current, proposal.job)
    others = tuple(_others(answer.get("Diff") or {})) if proposal.current else ()
    done = ((answer.get("Annotations") or {}).get("DesiredTGUpdates") or {}).get(proposal.app.name) or {}
    return Plan(
        app=proposal.app.name,
        namespace=proposal.app.namespace,
        index=proposal.index,
        changed=(answer.get("Diff") or {}).get("Type") != "None",
        changes=(*ours, *others),
        sizes=_sizes(proposal),
        actions={_ACTIONS[name]: done[name] for name in _ACTIONS if done.get(name)},
        unplaced=no_place(answer["FailedTGAllocs"]) if answer.get("FailedTGAllocs") else "",
        warnings=answer.get("Warnings") or "",
    )


def _others(diff: Json, where: str = "") -> Iterator[Change]:
    """What Nomad sees and the app's diff does not: a job that was edited by other means."""
    for field in diff.get("Fields") or ():
        name = f"{where}{field['Name']}"
        if field["Type"] != "None" and not field["Name"].startswith((*_KNOWN, *_RESOURCES, "Stop")):
            yield Change("setting", f"nomad {name}", field["Old"] or None, field["New"] or None)
    for part in diff.get("Objects") or ():
        if part["Type"] != "None" and not part["Name"].startswith(_KNOWN):
            yield from _others(part, f"{where}{part['Name']}.")
    for key in ("TaskGroups", "Tasks"):
        for part in diff.get(key) or ():
            if part["Type"] == "Edited":
                yield from _others(part, where)


def _sizes(proposal: Proposal) -> dict[str, int]:
    """Bytes of each component by digest: the new ones, and the old ones where they lie in a directory here."""
    sizes = {guest.digest: guest.size for guest in proposal.guests.values()}
    for digest in digests(proposal.current).values():
        if digest not in sizes and proposal.base is not None:
            app = proposal.app
            file = Path(proposal.base, app.namespace, app.name, f"{digest.removeprefix('sha256:')}.wasm")
            if file.is_file():
                sizes[digest] = file.stat().st_size
    return sizes


def _line(change: Change, sizes: Mapping[str, int]) -> str:
    mark = "+" if change.old is None else "-" if change.new is None else "~"
    texts = [_shown(change, text, sizes) for text in (change.old, change.new) if text is not None]
    widened = "  [widened]" if change.widened else ""
    return f"  {mark} {change.kind:<10} {change.name}: {' → '.join(texts)}{widened}"


def _shown(change: Change, text: str, sizes: Mapping[str, int]) -> str:
    if change.kind != "component":
        return text
    size = f" ({sizes[text] / 1e6:.1f} MB)" if text in sizes else ""
    return f"{text[:19]}{size}"
