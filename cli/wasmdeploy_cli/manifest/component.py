"""`[component.X]` and the triggers that lead to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from wasmdeploy_cli.manifest import grammar
from wasmdeploy_cli.manifest.key import doc
from wasmdeploy_cli.manifest.limits import Limits
from wasmdeploy_driver import task

_DEFAULTS = task.Component(name="", source="")


@dataclass(frozen=True, slots=True)
class Executor:
    """How a component answers; a file that can answer in one way only shows it by itself."""

    type: str = field(
        metadata=doc(
            "`spin` (or `http`): found out by itself; `wagi`: it prints its response, as a preview 1 module without "
            "a handler does anyway",
            grammar.executor,
        )
    )
    argv: str = field(
        default=_DEFAULTS.argv,
        metadata=doc(
            "WAGI: the arguments, between spaces; `${SCRIPT_NAME}` is the request's path, `${ARGS}` the parts of its "
            "query between `&`",
            grammar.filled,
        ),
    )
    entrypoint: str = field(
        default=_DEFAULTS.entrypoint,
        metadata=doc("WAGI: the function of a preview 1 module that is called", grammar.filled),
    )


@dataclass(frozen=True, slots=True)
class HttpTrigger:
    """A route and the component that answers it."""

    route: str = field(
        metadata=doc(
            "path; `/...` at the end also takes everything below",
            grammar.route,
            no_table="{ private = true }",
        ),
    )
    component: str = field(
        metadata=doc(
            "name of the component that answers",
            no_table="a component inside its trigger (write it as [component.NAME])",
        )
    )
    id: str = field(default="", metadata=doc("name of the trigger; not used"))
    executor: Executor | None = field(
        default=None, metadata=doc("how the component answers; found out by itself")
    )


@dataclass(frozen=True, slots=True)
class CommandTrigger:
    """The component that runs as a command, once and to its end."""

    component: str = field(metadata=doc("name of the component that runs"))
    args: tuple[str, ...] = field(
        default=(), metadata=doc("arguments of the command; `{{ variable }}` is replaced")
    )


@dataclass(frozen=True, slots=True)
class Trigger:
    """What makes the app run: HTTP requests, or a deploy, a dispatch or the clock that runs its command."""

    http: tuple[HttpTrigger, ...] = field(default=(), metadata=doc("HTTP routes"))
    command: tuple[CommandTrigger, ...] = field(
        default=(), metadata=doc("the command, in place of routes: see [Commands](#commands)")
    )


@dataclass(frozen=True, slots=True)
class Build:
    """How `wasmdeploy build` makes a component."""

    command: tuple[str, ...] = field(
        metadata=doc(
            "shell command, or a list of them that run one after the other",
            grammar.commands,
            single=True,
        ),
    )
    workdir: str = field(default="", metadata=doc("where to run it, relative to the manifest"))
    watch: tuple[str, ...] = field(default=(), metadata=doc("glob patterns of the files it depends on"))


@dataclass(frozen=True, slots=True)
class Component:
    """One WebAssembly guest."""

    source: str = field(
        metadata=doc(
            "the .wasm file, relative to the manifest",
            grammar.filled,
            no_table="a source that is downloaded (download it and name the file)",
        ),
    )
    description: str = field(default="", metadata=doc("what it does"))
    environment: Mapping[str, str] = field(
        default_factory=dict,
        metadata=doc("environment of the guest; `{{ variable }}` is replaced", grammar.environment),
    )
    variables: Mapping[str, str] = field(
        default_factory=dict,
        metadata=doc("variables the guest can read; `{{ variable }}` is replaced", grammar.variable_names),
    )
    allowed_outbound_hosts: tuple[str, ...] = field(
        default=(),
        metadata=doc(
            "`scheme://host:port` the guest may call, see [Outbound hosts](#outbound-hosts); "
            "`{{ variable }}` is replaced"
        ),
    )
    engine: str = field(
        default=_DEFAULTS.engine,
        metadata=doc(
            "`wasmtime`: run under the wasmtime command line that is installed on the node, WASI 0.3 components too; "
            "the app is this component alone, at `/...`",
            grammar.engine,
        ),
    )
    build: Build | None = field(default=None, metadata=doc("how to build it"))
    limits: Limits = field(
        default_factory=Limits,
        metadata=doc(
            "what this guest may use, in place of what `[deploy.limits]` says: see [Limits](#limits)"
        ),
    )
    isolation: str = field(
        default=_DEFAULTS.isolation,
        metadata=doc(
            "`request`: a fresh instance for each request; `instance`: one answers many, which is much faster, "
            "and keeps what they leave in its memory",
            grammar.isolation,
        ),
    )
    max_requests: int = field(
        default=_DEFAULTS.max_requests,
        metadata=doc(
            "requests that one instance answers, with `instance`; `0` for as many as it can, 5,000",
            grammar.not_negative,
        ),
    )
    max_idle: str = field(
        default=_DEFAULTS.max_idle,
        metadata=doc("how long an idle instance stays, with `instance`; `0` for ever", grammar.duration),
    )
