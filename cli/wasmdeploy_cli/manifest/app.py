"""`App`: what a manifest says, each key declared once.

The reader, the reference in docs/manifest.md and the nearest-key hints all derive from these classes and
those of `component` and `deploy`. A field with `key=False` is no key of the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from wasmdeploy_cli.manifest import grammar
from wasmdeploy_cli.manifest.component import CommandTrigger, Component, Executor, Trigger
from wasmdeploy_cli.manifest.deploy import EXECUTOR_MB, Deploy
from wasmdeploy_cli.manifest.key import doc
from wasmdeploy_driver import task


@dataclass(frozen=True, slots=True)
class Application:
    """What the app is called."""

    name: str = field(
        metadata=doc(
            "name of the app, its Nomad job and its Consul service: lowercase letters, digits and dashes",
            grammar.app_name,
        )
    )
    version: str = field(default="", metadata=doc("version, shown in the job's meta", grammar.version))
    description: str = field(
        default="", metadata=doc("one line about the app, shown in Nomad's UI", grammar.description)
    )
    authors: tuple[str, ...] = field(default=(), metadata=doc("who wrote it"))


@dataclass(frozen=True, slots=True)
class Variable:
    """A value that is set when the app is deployed or started, not when it is built."""

    description: str = field(default="", metadata=doc("what it is for"))
    default: str | None = field(default=None, metadata=doc("the value where none is given"))
    required: bool = field(
        default=False, metadata=doc("a value must be given (with `--variable`); needs no default")
    )
    secret: bool = field(
        default=False, metadata=doc("read from Vault where the app runs; never in a jobspec, log or argument")
    )
    vault: str = field(
        default="",
        metadata=doc(
            "where a secret lies, `path#field` with the mount first; without it, the field "
            "of the variable's name below `deploy.vault.path`",
            grammar.vault_field,
        ),
    )


@dataclass(frozen=True, slots=True)
class App:
    """A whole manifest, checked."""

    application: Application = field(metadata=doc("what the app is called"))
    trigger: Trigger = field(metadata=doc("what makes the app run"))
    component: Mapping[str, Component] = field(
        metadata=doc(
            "the WebAssembly guests, by name",
            names=grammar.component_name,
        ),
    )
    spin_manifest_version: int = field(
        default=2, metadata=doc("version of Spin's format, `2`", grammar.manifest_version)
    )
    variables: Mapping[str, Variable] = field(
        default_factory=dict,
        metadata=doc(
            "values set when the app is deployed, by name",
            names=grammar.variable_name,
        ),
    )
    deploy: Deploy = field(default_factory=Deploy, metadata=doc("where and how the app runs on the cluster"))
    path: Path = field(default=Path(), metadata={"key": False})

    @property
    def name(self) -> str:
        """The app's name, also its job's."""
        return self.application.name

    @property
    def namespace(self) -> str:
        """The Nomad namespace it is deployed to."""
        return self.deploy.namespace

    @property
    def directory(self) -> Path:
        """The manifest's directory; sources and working directories are relative to it."""
        return self.path.parent

    @property
    def secrets(self) -> tuple[str, ...]:
        """Names of the variables that come from Vault."""
        return tuple(name for name, variable in self.variables.items() if variable.secret)

    @property
    def service_name(self) -> str:
        """Its name in Consul, which knows no Nomad namespaces."""
        return service_name(self.namespace, self.name)

    @property
    def limits(self) -> task.Limits:
        """The limits of a guest instance, their defaults worked out."""
        return replace(task.Limits(self.deploy.memory - EXECUTOR_MB), **self.deploy.limits.given)

    def component_limits(self, component: str) -> task.Limits | None:
        """The limits of one component, None where they are the app's."""
        own = self.component[component].limits.given
        return replace(self.limits, **own) if own else None

    def routes(self, component: str) -> tuple[str, ...]:
        """The routes that a component answers, in the manifest's order."""
        return tuple(trigger.route for trigger in self.trigger.http if trigger.component == component)

    @property
    def command(self) -> CommandTrigger | None:
        """The trigger of an app that runs to its end instead of answering HTTP."""
        return self.trigger.command[0] if self.trigger.command else None

    @property
    def type(self) -> str:
        """The type of its Nomad job: `service`, `batch` or `sysbatch`."""
        return self.deploy.type or ("batch" if self.command else "service")

    @property
    def in_consul(self) -> bool:
        """Whether Consul's catalogue has a service of it."""
        return not self.command and self.deploy.catalog == "consul"

    @property
    def takes_payload(self) -> bool:
        """Whether a dispatch may bring a payload."""
        return self.deploy.parameterized is not None and self.deploy.parameterized.payload != "forbidden"

    @property
    def external(self) -> bool:
        """Whether the app runs under the wasmtime command line, where nothing but the guest answers."""
        return any(component.engine for component in self.component.values())

    def executor(self, component: str) -> Executor:
        """How a component answers: what the first of its triggers says, which is what they all say."""
        named = (trigger.executor for trigger in self.trigger.http if trigger.component == component)
        return next(named, None) or Executor("spin")

    def source(self, component: str) -> Path:
        """Where a component's wasm file is (or will be, once it is built)."""
        return self.directory / self.component[component].source


def service_name(namespace: str, name: str) -> str:
    """The name in Consul of an app; two apps may have the same, which deploying refuses."""
    return name if namespace == "default" else f"{namespace}-{name}"
