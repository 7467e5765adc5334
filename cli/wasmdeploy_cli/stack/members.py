"""The members of a stack: what is started, with what configuration, and how it is seen to work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from wasmdeploy_cli.stack import config, health
from wasmdeploy_cli.stack.config import Features, address
from wasmdeploy_cli.stack.directory import Directory

_LONG_LOG = 32 << 20  # bytes


@dataclass(frozen=True, slots=True)
class Member:
    """One process of a stack; `trouble` says what keeps it from working, nothing when it works."""

    name: str
    program: str
    arguments: tuple[str, ...]
    configuration: str
    address: str
    trouble: Callable[[], str]
    patience: float  # seconds until it must work


def planned(directory: Directory, ports: Mapping[str, int], features: Features) -> tuple[Member, ...]:
    """The members in their starting order."""
    more = range(2, features.clients + 1)
    agents = (_consul(f"consul-{number}", config.consul_agent(directory, ports, number), directory, ports)
              for number in more)  # fmt: skip
    clients = (_client(directory, ports, features, number) for number in (1, *more))
    consul = _consul("consul", config.consul(directory, ports), directory, ports)
    servers = (consul, *agents, _vault(directory, ports), _nomad(directory, ports))
    return (*servers, *clients, _traefik(directory, ports, features))


def _consul(name: str, configuration: str, directory: Directory, ports: Mapping[str, int]) -> Member:
    where = address(ports, f"{name}.http")
    arguments = ("agent", f"-config-file={directory.config(name)}")
    return Member(name, "consul", arguments, configuration, where, lambda: health.consul(where), 60)


def _vault(directory: Directory, ports: Mapping[str, int]) -> Member:
    where = address(ports, "vault.http")
    arguments = ("server", f"-config={directory.config('vault')}")
    return Member(
        "vault", "vault", arguments, config.vault(directory, ports), where, lambda: health.vault(where), 60
    )


def _nomad(directory: Directory, ports: Mapping[str, int]) -> Member:
    where = address(ports, "nomad.http")
    arguments = ("agent", f"-config={directory.config('nomad')}")
    return Member(
        "nomad", "nomad", arguments, config.nomad(directory, ports), where, lambda: health.nomad(where), 60
    )


def _client(directory: Directory, ports: Mapping[str, int], features: Features, number: int) -> Member:
    name = f"client-{number}"
    where = address(ports, f"{name}.http")
    arguments = ("agent", f"-config={directory.config(name)}")
    configuration = config.client(directory, ports, number, features)
    return Member(
        name, "nomad", arguments, configuration, where, lambda: health.client(where, features.driver), 120
    )


def _traefik(directory: Directory, ports: Mapping[str, int], features: Features) -> Member:
    private = address(ports, "traefik.admin")
    return Member(
        "traefik",
        "traefik",
        (f"--configFile={directory.config('traefik')}",),
        config.traefik(directory, ports, features),
        address(ports, "traefik.web"),
        lambda: health.traefik(private),
        60,
    )


def written(directory: Directory, member: Member) -> None:
    """Put a member's configuration where it reads it, make its data's directory, set a long log aside."""
    path = directory.config(member.name)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.write_text(member.configuration)
    directory.data(member.name).mkdir(mode=0o711, exist_ok=True)
    for log in directory.logs(member.name):
        if log.exists() and log.stat().st_size > _LONG_LOG:
            log.replace(log.with_suffix(".old"))
