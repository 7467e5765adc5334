"""`Task`: what a job says about its guests; the contract between jobspec, plugin, executor and `up`.

Declared once, here. The driver's HCL spec, the jobspec's `config` block and the executor's input are all
derived from these classes by `schema`. A field's metadata: `label` marks a block's label, `doc` is its
reference line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

EXECUTOR_MB = 64
"""What a task needs beside its guests: the executor idles at 30 MB, its HTTP front and buffers take more."""


def _doc(doc: str, **metadata: Any) -> dict[str, Any]:
    return {"doc": doc, **metadata}


@dataclass(frozen=True, slots=True)
class Dir:
    """A directory of the task that the guest may open."""

    host: str = field(metadata=_doc("path below the task directory; `alloc` is the allocation's shared one"))
    guest: str = field(metadata=_doc("where the guest sees it"))
    readonly: bool = field(default=False, metadata=_doc("refuse writes"))


@dataclass(frozen=True, slots=True)
class Limits:
    """What one guest instance may use, and how many requests there may be at once."""

    memory_mb: int = field(default=256, metadata=_doc("linear memory in MiB"))
    timeout: str = field(
        default="30s", metadata=_doc("wall time of one request, `0` for none; commands have none")
    )
    cpu_time: str = field(
        default="0", metadata=_doc("the guest's own computing for one request, `0` for no limit")
    )
    fuel: int = field(
        default=0,
        metadata=_doc(
            "instructions of one request, as wasmtime counts them; 0 for no limit (counting slows a guest)"
        ),
    )
    table_entries: int = field(default=1 << 20, metadata=_doc("entries of one table"))
    instances: int = field(
        default=0, metadata=_doc("core instances, of which a component has several; 0 for no limit")
    )
    request_bytes: int = field(default=0, metadata=_doc("body of a request; 0 for no limit"))
    response_bytes: int = field(default=0, metadata=_doc("body of a response; 0 for no limit"))
    concurrency: int = field(default=64, metadata=_doc("requests that are answered at once"))
    queue: int = field(
        default=1000, metadata=_doc("requests of the app that wait for their turn; the next one gets a 503")
    )
    outbound_calls: int = field(
        default=10_000,
        metadata=_doc(
            "requests that a guest may send while it answers one, and as many connections of sockets"
        ),
    )


@dataclass(frozen=True, slots=True)
class Variable:
    """An application variable: a plain value, or a secret that the executor reads from Vault."""

    name: str = field(metadata=_doc("the name", label=True))
    value: str | None = field(default=None, metadata=_doc("the value of a plain variable"))
    secret: bool = field(default=False, metadata=_doc("read it from Vault"))
    vault: str = field(
        default="",
        metadata=_doc(
            "`path#field` in Vault, the mount first: in KV v2, or, below `creds/`, credentials that Vault makes"
        ),
    )


@dataclass(frozen=True, slots=True)
class Component:
    """One guest of an app that answers HTTP."""

    name: str = field(metadata=_doc("the name", label=True))
    source: str = field(metadata=_doc("the wasm file, below the task directory or in `allow_paths`"))
    digest: str = field(
        default="",
        metadata=_doc(
            "`sha256:…` that the file must have; code that is compiled from it already runs without the file being read"
        ),
    )
    route: tuple[str, ...] = field(default=(), metadata=_doc("routes; `/api/...` also takes what lies below"))
    engine: str = field(
        default="",
        metadata=_doc(
            "`wasmtime`: the wasmtime command line on the node; the app is this component alone, at `/...`"
        ),
    )
    executor: str = field(
        default="", metadata=_doc("`wagi`: it prints its response; a preview 1 module does so by itself")
    )
    argv: str = field(
        default="${SCRIPT_NAME} ${ARGS}",
        metadata=_doc(
            "WAGI: the arguments; `${SCRIPT_NAME}` is the path, `${ARGS}` `args` and the query's parts"
        ),
    )
    args: tuple[str, ...] = field(default=(), metadata=_doc("WAGI: arguments of the component's own"))
    entrypoint: str = field(
        default="_start", metadata=_doc("WAGI: the function of a preview 1 module to call")
    )
    environment: Mapping[str, str] = field(
        default_factory=dict, metadata=_doc("environment; `{{ variable }}` is replaced")
    )
    variables: Mapping[str, str] = field(
        default_factory=dict, metadata=_doc("the component's variables; `{{ variable }}` is replaced")
    )
    allowed_outbound_hosts: tuple[str, ...] = field(
        default=(), metadata=_doc("`scheme://host:port` it may call; `{{ variable }}` is replaced")
    )
    dir: tuple[Dir, ...] = field(default=(), metadata=_doc("directories it may open"))
    limits: Limits | None = field(
        default=None, metadata=_doc("what one instance of this guest may use, in place of the task's limits")
    )
    isolation: str = field(
        default="request",
        metadata=_doc(
            "`request`: a fresh instance for each; `instance`: one answers many, and keeps its state"
        ),
    )
    max_requests: int = field(
        default=1000,
        metadata=_doc("requests of one instance, with `instance`; 0 for as many as it can, 5,000"),
    )
    max_idle: str = field(
        default="60s", metadata=_doc("how long an idle instance stays, with `instance`; `0` for ever")
    )


@dataclass(frozen=True, slots=True)
class Http:
    """Where the app listens."""

    port: str = field(default="http", metadata=_doc("label of the Nomad port"))


@dataclass(frozen=True, slots=True)
class Task:
    """Either one command (`module`), or an app of HTTP components (`component` and `http`)."""

    app: str = field(default="", metadata=_doc("application name; Vault path and logs use it"))
    namespace: str = field(
        default="default", metadata=_doc("Nomad namespace, the first part of the Vault path")
    )
    module: str = field(default="", metadata=_doc("the wasm file of a command"))
    digest: str = field(default="", metadata=_doc("`sha256:…` that `module` must have"))
    args: tuple[str, ...] = field(default=(), metadata=_doc("the command's arguments"))
    env: Mapping[str, str] = field(
        default_factory=dict, metadata=_doc("the command's environment; `{{ variable }}` is replaced")
    )
    stdin: str = field(
        default="",
        metadata=_doc(
            "file below the task directory, or in `alloc`, that the command reads as its standard input, "
            "such as a dispatched job's payload"
        ),
    )
    variables: Mapping[str, str] = field(
        default_factory=dict,
        metadata=_doc(
            "the command's variables; `{{ variable }}` is replaced; without any, all `variable` blocks"
        ),
    )
    dir: tuple[Dir, ...] = field(default=(), metadata=_doc("directories the command may open"))
    http: Http | None = field(default=None, metadata=_doc("where an app listens"))
    component: tuple[Component, ...] = field(default=(), metadata=_doc("the guests of an app"))
    variable: tuple[Variable, ...] = field(default=(), metadata=_doc("application variables"))
    refresh: str = field(
        default="0",
        metadata=_doc("how often secrets are read again while an app runs, `0` for never; at least `1s`"),
    )
    allowed_outbound_hosts: tuple[str, ...] = field(
        default=(),
        metadata=_doc("`scheme://host:port` the command's sockets may reach; `{{ variable }}` is replaced"),
    )
    limits: Limits = field(
        default_factory=Limits,
        metadata=_doc("what one guest instance may use, where its component says nothing else"),
    )
    idle_timeout: str = field(
        default="0",
        metadata=_doc("an app without requests for so long is parked until the next one; `0` for never"),
    )
    health_path: str = field(
        default="",
        metadata=_doc("path of a check that keeps no app awake and wakes none, beside the driver's own"),
    )

    @property
    def secrets(self) -> tuple[Variable, ...]:
        """The variables that come from Vault."""
        return tuple(variable for variable in self.variable if variable.secret)

    def limits_of(self, component: Component) -> Limits:
        """The limits of one component's guests."""
        return component.limits or self.limits
