"""What differs between two versions of an app's job, as its user thinks of it.

A job is first read into facts, (kind, name) → text; two sets of facts then give the changes. Both jobs may be
what `build_job` made or what Nomad's API gives back, which adds defaults: only what `build_job` writes is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from wasmdeploy_cli.job.config import unescape
from wasmdeploy_cli.job.route import OPEN, services
from wasmdeploy_driver import task as driver
from wasmdeploy_driver.variables import vault_location

Json = dict[str, Any]
Kind = Literal["job", "component", "route", "variable", "secret", "capability", "setting"]
_KINDS: tuple[Kind, ...] = ("job", "component", "route", "variable", "secret", "capability", "setting")
# Keys of a component's block that have a kind of their own; every other one is a setting.
_OWN = ("source", "digest", "route", "allowed_outbound_hosts", "dir")
_LAUNCHING = {
    "Specs": "cron",
    "TimeZone": "time_zone",
    "ProhibitOverlap": "prohibit_overlap",
    "Payload": "payload",
    "MetaRequired": "meta_required",
    "MetaOptional": "meta_optional",
}
_META = ("app_version", "wasmdeploy_version", "restarted")


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs; `old` is None for what is new, `new` for what goes."""

    kind: Kind
    name: str
    old: str | None
    new: str | None

    @property
    def widened(self) -> bool:
        """Whether guests may do more than before."""
        if self.kind != "capability" or self.new is None:
            return False
        return self.old is None or self.new == "read and write"


def changes(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> list[Change]:
    """What differs, kind by kind; a job that is not there (or stopped) has no facts."""
    before, after = facts(old), facts(new)
    return sorted(
        (
            Change(kind, name, before.get((kind, name)), after.get((kind, name)))
            for kind, name in before.keys() | after.keys()
            if before.get((kind, name)) != after.get((kind, name))
        ),
        key=lambda change: (_KINDS.index(change.kind), change.name),
    )


def facts(job: Mapping[str, Any] | None) -> dict[tuple[Kind, str], str]:
    """What a job says about its app."""
    if job is None or job.get("Stop"):
        return {}
    group, task = _task(job)
    found: dict[tuple[Kind, str], str] = {("job", job["ID"]): job.get("Namespace") or "default"}
    found.update(_components(task["Config"]))
    found.update(_volumes(group, task))
    found.update(_variables(task["Config"], job.get("Meta") or {}))
    found.update(_route(job))
    found.update((("setting", name), text) for name, text in _settings(job, group, task) if text)
    return found


def digests(job: Mapping[str, Any] | None) -> dict[str, str]:
    """The `sha256:…` of each component of a job, a stopped one's too."""
    found = _components(_task(job)[1]["Config"]) if job else ()
    return {name: text for (kind, name), text in found if kind == "component"}


def _task(job: Mapping[str, Any]) -> tuple[Json, Json]:
    """The group and its task; one that was written by hand may have no config."""
    group = job["TaskGroups"][0]
    task = group["Tasks"][0]
    return group, {**task, "Config": task.get("Config") or {}}


def _components(config: Json) -> Iterator[tuple[tuple[Kind, str], str]]:
    if config.get("module"):
        yield ("component", str(config.get("app") or "command")), str(config.get("digest", ""))
        yield from _hosts("the command", config)
        yield from _dirs("the command", config)
        for key in ("args", "env", "variables", "stdin"):
            yield from _flat(f"command.{key}", config.get(key) or [])
    for name, block in _labelled(config.get("component")):
        yield ("component", name), str(block.get("digest", ""))
        for route in block.get("route") or ():
            yield ("route", unescape(route)), name
        yield from _hosts(name, block)
        yield from _dirs(name, block)
        for key, value in block.items():
            if key not in _OWN:
                yield from _flat(f"component.{name}.{key}", value)


def _hosts(name: str, block: Json) -> Iterator[tuple[tuple[Kind, str], str]]:
    for host in block.get("allowed_outbound_hosts") or ():
        yield ("capability", f"{name} calls {unescape(host)}"), "allowed"


def _dirs(name: str, block: Json) -> Iterator[tuple[tuple[Kind, str], str]]:
    for each in block.get("dir") or ():
        access = "read" if each.get("readonly") else "read and write"
        yield ("capability", f"{name} opens {each['host']} as {each['guest']}"), access


def _volumes(group: Json, task: Json) -> Iterator[tuple[tuple[Kind, str], str]]:
    volumes = group.get("Volumes") or {}
    for mount in task.get("VolumeMounts") or ():
        source = volumes[mount["Volume"]]["Source"]
        access = "read" if mount.get("ReadOnly") else "read and write"
        yield ("capability", f"all components open volume {source} as {mount['Destination']}"), access


def _variables(config: Json, meta: Json) -> Iterator[tuple[tuple[Kind, str], str]]:
    """Plain variables with their values; a secret's value is nowhere, its place and version are."""
    versions = dict(part.rpartition("@")[::2] for part in str(meta.get("revision", "")).split())
    app = driver.Task(app=config.get("app", ""), namespace=config.get("namespace", "default"))
    for name, block in _labelled(config.get("variable")):
        if not block.get("secret"):
            yield ("variable", name), unescape(str(block.get("value", "")))
            continue
        path, field = vault_location(app, driver.Variable(name, vault=unescape(block.get("vault", ""))))
        version = f" (version {versions[path]})" if path in versions else ""
        yield ("secret", name), f"{path}#{field}{version}"


def _route(job: Mapping[str, Any]) -> Iterator[tuple[tuple[Kind, str], str]]:
    for service in services(job):
        for tag in service.get("Tags") or ():
            key, _, value = tag.partition("=")
            setting = key.split(".", 4)[4:] if key.startswith("traefik.http.routers.") else ()
            if "-redirect." in key or not setting or setting[0] == "service":
                continue
            yield ("route", f"traefik {setting[0]}"), value
        for check in service.get("Checks") or ():
            yield ("setting", "health_path"), str(check.get("Path") or check["Type"])
        yield ("setting", "catalog"), str(service.get("Provider"))


def _settings(job: Mapping[str, Any], group: Json, task: Json) -> Iterator[tuple[str, str]]:
    update = job.get("Update") or {}
    # Nomad keeps the update block at the group and may leave the job's own empty.
    update = group.get("Update") or update
    yield "count", str(group["Count"])
    networks = group.get("Networks") or ()
    yield (
        "network",
        ", ".join(mode for each in networks if (mode := each.get("Mode")) not in (None, "", "host")),
    )
    if update.get("Canary"):
        yield "canaries", "" if update.get("AutoPromote") else str(update["Canary"])
        yield "healthy_within", _duration(int(update.get("HealthyDeadline") or 0))
    if job["Type"] != "service":
        yield "type", str(job["Type"])
        yield "retries", str(group["RestartPolicy"]["Attempts"])
    yield from _launching(job)
    yield "datacenters", ", ".join(job.get("Datacenters") or ())
    yield "description", str((job.get("UI") or {}).get("Description") or "")
    for link in (job.get("UI") or {}).get("Links") or ():
        if link["Label"] != OPEN:  # which follows from the route
            # Sent as URL, as Nomad's Go client does, and told by the server as Url.
            yield f"links.{link['Label']}", str(link.get("Url") or link.get("URL"))
    yield "cpu", str(task["Resources"]["CPU"])
    yield "memory", str(task["Resources"]["MemoryMB"])
    yield "vault.role", str((task.get("Vault") or {}).get("Role") or "")
    yield "idle_timeout", str(task["Config"].get("idle_timeout") or "")
    yield "vault.refresh", str(task["Config"].get("refresh") or "")
    for limits in task["Config"].get("limits") or ():
        for key, value in limits.items():
            yield f"limits.{key}", _number(value)
    for key in _META:
        yield key, str((job.get("Meta") or {}).get(key) or "")
    for artifact in task.get("Artifacts") or ():
        yield f"artifacts of {artifact['RelativeDest']}", str(artifact["GetterSource"]).rpartition("/")[0]


def _launching(job: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, block in (("periodic", job.get("Periodic")), ("parameterized", job.get("ParameterizedJob"))):
        for key, setting in _LAUNCHING.items():
            value = (block or {}).get(key) or ""
            yield f"{name}.{setting}", ", ".join(value) if isinstance(value, list) else str(value)


def _labelled(blocks: Any) -> Iterator[tuple[str, Json]]:
    for each in blocks or ():
        for label, bodies in each.items():
            for body in bodies:
                yield label, body


def _flat(where: str, value: Any) -> Iterator[tuple[tuple[Kind, str], str]]:
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _flat(f"{where}.{unescape(str(key))}", each)
    elif isinstance(value, list):
        for each in value:
            yield from _flat(where, each)
    else:
        yield ("setting", where), unescape(value) if isinstance(value, str) else _number(value)


def _duration(nanoseconds: int) -> str:
    """As a manifest has it: 3m, 1m30s, 250ms."""
    rest, text = nanoseconds // 10**6, ""
    for unit, length in (("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        number, rest = divmod(rest, length)
        text += f"{number}{unit}" if number else ""
    return text or "0"


def _number(value: Any) -> str:
    """Nomad's API gives whole numbers of a task's config as floats."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
