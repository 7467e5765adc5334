"""`[deploy]`: where and how an app runs on the cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from wasmdeploy_cli.manifest import grammar
from wasmdeploy_cli.manifest.key import doc
from wasmdeploy_cli.manifest.limits import Limits
from wasmdeploy_driver import task

EXECUTOR_MB = task.EXECUTOR_MB
MIN_HEALTHY_SECONDS = 5
"""Longer than Traefik takes to hear of an instance (it asks every 1 s, and a new check result takes up to 2 s to
reach it), so that the old version leaves only when the new one is being routed to."""


@dataclass(frozen=True, slots=True)
class Vault:
    """Where the app's secrets are."""

    role: str = field(
        default="", metadata=doc("role of Vault's JWT method; without it, the method's default role")
    )
    path: str = field(
        default="",
        metadata=doc(
            "path of the app's secrets, the KV v2 mount first; without it, `secret/<namespace>/<app>`",
            grammar.vault_path,
        ),
    )
    refresh: str = field(
        default="0",
        metadata=doc(
            "how often the running app's secrets are read again, like `1m`; `0`: with the next deploy only",
            grammar.refresh,
        ),
    )


@dataclass(frozen=True, slots=True)
class Periodic:
    """When a command runs by itself."""

    cron: tuple[str, ...] = field(
        metadata=doc(
            "cron expression, such as `*/15 * * * *` or `@daily`, or a list of them",
            grammar.commands,
            single=True,
        )
    )
    time_zone: str = field(default="UTC", metadata=doc("time zone of `cron`, such as `Europe/Berlin`"))
    prohibit_overlap: bool = field(
        default=False, metadata=doc("leave out a run while the one before it still runs")
    )


@dataclass(frozen=True, slots=True)
class Parameterized:
    """What `wasmdeploy dispatch` gives to each run of a command."""

    payload: str = field(
        default="optional",
        metadata=doc(
            "`optional`, `required` or `forbidden`: up to 16 KiB, which the command has as its standard input and as "
            "the file `/local/payload`",
            grammar.payload,
        ),
    )
    meta_required: tuple[str, ...] = field(
        default=(),
        metadata=doc("names that each dispatch gives a value, in the environment as `NOMAD_META_<NAME>`"),
    )
    meta_optional: tuple[str, ...] = field(default=(), metadata=doc("names that a dispatch may give a value"))


@dataclass(frozen=True, slots=True)
class Volume:
    """A directory of the nodes that all components may open; what they write there stays."""

    path: str = field(metadata=doc("where components see it, such as `/data`", grammar.guest_path))
    source: str = field(
        default="",
        metadata=doc("Nomad's name of the host volume; without it, its name here", grammar.volume_source),
    )
    read_only: bool = field(default=False, metadata=doc("refuse writes"))


@dataclass(frozen=True, slots=True)
class Deploy:
    """Where and how the app runs on the cluster."""

    type: str = field(
        default="",
        metadata=doc(
            "type of the Nomad job: `batch` runs a command to its end, `sysbatch` does so on every node; without it, "
            "`batch` for a command and `service` for an app with routes",
            grammar.job_type,
        ),
    )

    namespace: str = field(default="default", metadata=doc("Nomad namespace", grammar.namespace))
    region: str = field(default="global", metadata=doc("Nomad region", grammar.filled))
    datacenters: tuple[str, ...] = field(
        default=("*",), metadata=doc("datacenters to run in, `*` for any", grammar.filled_list)
    )
    count: int = field(default=1, metadata=doc("instances", grammar.positive))
    cpu: int = field(default=100, metadata=doc("CPU share of an instance in MHz", grammar.positive))
    memory: int = field(
        default=256,
        metadata=doc(
            f"memory of an instance in MB, {EXECUTOR_MB} of it for the executor",
            grammar.task_memory(EXECUTOR_MB),
        ),
    )
    host: str = field(
        default="",
        metadata=doc("host name that Traefik routes to the app; without it, no route", grammar.host),
    )
    network: str = field(
        default="host",
        metadata=doc(
            "`host`: the app listens on the node's own address; `bridge`: in a network namespace of its own, to which "
            "Nomad forwards a port of the node; needs CNI plugins on the nodes",
            grammar.network,
        ),
    )
    health_path: str = field(
        default="/.well-known/wasmdeploy/health",
        metadata=doc(
            'path of Consul\'s health check; the executor answers the default one itself (with `engine = "wasmtime"` '
            "the default is a check of the port), any other reaches the guest",
            grammar.url_path,
        ),
    )
    entrypoints: tuple[str, ...] = field(
        default=(),
        metadata=doc(
            "Traefik entry points of the route; without them, Traefik's default ones", grammar.entrypoints
        ),
    )
    middlewares: tuple[str, ...] = field(
        default=(),
        metadata=doc(
            "Traefik middlewares of the route, in their order, like `auth@file`; Traefik must know them, or it serves "
            "no route",
            grammar.middlewares,
        ),
    )
    tls: bool = field(
        default=False,
        metadata=doc(
            "HTTPS: the route is on Traefik's entry point `websecure` (or `entrypoints`), and HTTP is redirected"
        ),
    )
    cert_resolver: str = field(
        default="",
        metadata=doc(
            "Traefik's certificate resolver for the route; without it, the certificate Traefik has",
            grammar.resolver,
        ),
    )
    redirect_entrypoints: tuple[str, ...] = field(
        default=("web",),
        metadata=doc(
            "with `tls`: entry points where Traefik redirects to HTTPS; an empty list for none",
            grammar.entrypoints,
        ),
    )
    catalog: str = field(
        default="consul",
        metadata=doc(
            "where the app's service is registered, and which of Traefik's providers finds it: `consul` or `nomad`",
            grammar.catalog,
        ),
    )
    healthy_within: str = field(
        default="3m",
        metadata=doc(
            "how long a new instance may take until its health check passes; then the old version stays. "
            "More than the 5 s that it must stay healthy",
            grammar.duration,
        ),
    )
    idle_timeout: str = field(
        default="0",
        metadata=doc(
            "an instance without requests for so long, like `15m`, is parked: it takes no memory, and the next request "
            "wakes it; health checks are none. `0`: never. See [Parking](#parking)",
            grammar.duration,
        ),
    )
    artifacts: str = field(
        default="",
        metadata=doc(
            "URL from which nodes download components, as `<artifacts>/<sha256>.wasm`; "
            "without it, nodes have them in a directory that is named when deploying",
            grammar.artifacts,
        ),
    )
    retries: int = field(
        default=3,
        metadata=doc(
            "how often a command that fails is started again, on the same node", grammar.not_negative
        ),
    )
    periodic: Periodic | None = field(default=None, metadata=doc("when a command runs by itself"))
    parameterized: Parameterized | None = field(
        default=None, metadata=doc("what `wasmdeploy dispatch` gives to each run of a command")
    )
    volumes: Mapping[str, Volume] = field(
        default_factory=dict,
        metadata=doc(
            "host volumes that all components may open, by name: see [Volumes](#volumes)",
            names=grammar.volume_name,
        ),
    )
    links: Mapping[str, str] = field(
        default_factory=dict,
        metadata=doc(
            "URLs by label, like documentation and dashboards: shown on the job's page in Nomad's UI, beside the app's",
            grammar.links,
        ),
    )
    vault: Vault = field(default_factory=Vault, metadata=doc("where the app's secrets are"))
    limits: Limits = field(
        default_factory=Limits,
        metadata=doc("what a guest may use, where its component says nothing else: see [Limits](#limits)"),
    )
