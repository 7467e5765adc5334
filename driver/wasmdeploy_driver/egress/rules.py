"""The allow-list of what goes out: `allowed_outbound_hosts`, in Spin's grammar. This module does no I/O.

A rule is `scheme://host:port`.

    scheme   http or https for requests; tcp or udp for sockets; redis, postgres, mysql or mqtt for tcp at that
             port, since a guest speaks such a protocol by itself; * for all of them
    host     a name, *.suffix (a label or more in front), * for any host, an address, a network such as 10.0.0.0/8
             ([fd00::/8]; IPv6 stands in brackets), self for the app's own routes,
             NAME.spin.internal for the app's component NAME, *.spin.internal for any of them
    port     a number, a range a..b with both ends, *, or nothing for the scheme's own (tcp and udp have none)

A request needs a rule that names its host. Where the host's address is not a public one, it also needs a rule that
lists the address: as itself, by a network around it, or, for loopback, as `localhost`. Names and wildcards list none.
The same holds for sockets, which know addresses only: `reach` says which names an address stands for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from wasmdeploy_driver.egress.address import is_public, plain
from wasmdeploy_driver.egress.failure import REFUSED_BY_RULES, CallError
from wasmdeploy_driver.errors import ConfigError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

SIBLING = ".spin.internal"
SELF = frozenset(("self", "self.alt"))
PORTS = {"http": 80, "https": 443}
_OVER_TCP = {"redis": 6379, "postgres": 5432, "mysql": 3306, "mqtt": 1883}
SOCKETS = {"tcp": None, "udp": None, **_OVER_TCP}
_OWN_PORTS = {**PORTS, **SOCKETS}

_LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
_SCHEME = re.compile(r"\*|[a-z][a-z0-9+.-]*", re.IGNORECASE)
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?", re.IGNORECASE)
# What a resolver may read as an IPv4 address, although it is not written as one: 127.1, 0x7f000001, 2130706433.
_NUMERIC = re.compile(r"(.*\.)?(0x[0-9a-f]*|[0-9]+)\.?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request wants to go, or a socket (`tcp` or `udp`); `host` is in lower case, IPv6 without its brackets."""

    scheme: str
    host: str
    port: int

    @property
    def address(self) -> Address | None:
        """The host where it is an address."""
        return _address(self.host)

    @property
    def sibling(self) -> str | None:
        """The component that is meant, where the host names one."""
        return self.host.removesuffix(SIBLING) if self.host.endswith(SIBLING) else None

    @property
    def is_self(self) -> bool:
        """Whether the app's own routes are meant."""
        return self.host in SELF


def parse_target(scheme: str, authority: str) -> Target | None:
    """A request's target; None for an authority that is not plainly a host and maybe a port."""
    host, port = _split(authority)
    if scheme not in PORTS or (port is not None and not _is_port(port)):
        return None
    name = host[1:-1] if host.startswith("[") else host
    if host.startswith("["):
        valid = ":" in name and _address(name) is not None
    else:
        valid = is_name(name) or (":" not in name and _address(name) is not None)
    return Target(scheme, name.lower(), int(port) if port else PORTS[scheme]) if valid else None


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of the list; `host` is a network, or a name as the grammar has it."""

    scheme: str
    host: str | Network
    ports: tuple[int, int] | None  # None: the scheme's own

    @property
    def is_for_http(self) -> bool:
        """Whether it is for requests."""
        return self.scheme == "*" or self.scheme in PORTS

    @property
    def is_for_sockets(self) -> bool:
        """Whether it is for sockets."""
        return self.scheme not in PORTS

    @property
    def is_self(self) -> bool:
        """Whether the app's own routes are meant."""
        return isinstance(self.host, str) and self.host in SELF

    @property
    def sibling(self) -> str | None:
        """The one component that is meant, in lower case."""
        if not isinstance(self.host, str) or not self.host.endswith(SIBLING) or self.host.startswith("*"):
            return None
        return self.host.removesuffix(SIBLING)

    def names(self, target: Target) -> bool:
        """Whether the rule is for this host, as it is written, at this port."""
        return self._is_for(target.scheme, target.port) and self.names_host(target)

    def names_host(self, target: Target) -> bool:
        """Whether the rule is for this host, as it is written, at some port."""
        if not isinstance(self.host, str):
            address = target.address
            return address is not None and address in self.host
        if target.is_self:
            return self.is_self
        if self.host.startswith("*."):
            inner = self.host.endswith(SIBLING)
            return target.host.endswith(self.host[1:]) and inner == (target.sibling is not None)
        return self.host == target.host or (self.host == "*" and target.sibling is None)

    def lists(self, target: Target, address: Address) -> bool:
        """Whether the rule lists an address that is not a public one."""
        if not self._is_for(target.scheme, target.port):
            return False
        if isinstance(self.host, str):
            return self.host == "localhost" and any(address in network for network in _LOOPBACK)
        return address in self.host

    def _is_for(self, scheme: str, port: int) -> bool:
        if self.scheme not in ("*", scheme) and not (scheme == "tcp" and self.scheme in _OVER_TCP):
            return False
        if self.ports is None:
            return port == _OWN_PORTS[scheme if self.scheme == "*" else self.scheme]
        first, last = self.ports
        return first <= port <= last


@dataclass(frozen=True, slots=True)
class Rules:
    """A component's whole list."""

    rules: tuple[Rule, ...]

    @property
    def are_for_http(self) -> bool:
        """Whether any is for requests."""
        return any(rule.is_for_http for rule in self.rules)

    def require(self, scheme: str, authority: str) -> Target:
        """The target of a request that may be made, as far as its name says; raises CallError for any other.

        A request without authority is for the app itself, whatever its scheme.
        """
        target = parse_target(scheme, authority) if authority else Target(scheme, "self", PORTS[scheme])
        if target is None:
            raise CallError("HTTP-request-URI-invalid")
        if not any(rule.names(target) or (not authority and rule.is_self) for rule in self.rules):
            raise CallError(REFUSED_BY_RULES)
        return target

    def admit(self, target: Target, address: Address) -> bool:
        """Whether a request that may be made may go to this address."""
        return is_public(address) or any(rule.lists(target, address) for rule in self.rules)


def parse_rules(texts: Iterable[str]) -> Rules:
    """The list; raises ConfigError that names the first malformed rule."""
    return Rules(tuple(map(parse_rule, texts)))


def parse_rule(text: str) -> Rule:
    """One rule; raises ConfigError that names it."""
    if text == "insecure:allow-all":
        raise ConfigError(f"{text!r} is Spin 1's: write *://*:*")
    scheme, separator, rest = text.partition("://")
    host, port = _split(rest.removesuffix("/"))
    if not separator or not host or not _SCHEME.fullmatch(scheme):
        raise ConfigError(f"{text!r} is not scheme://host:port")
    if scheme not in ("*", *_OWN_PORTS):
        served = ", ".join(_OWN_PORTS)
        raise ConfigError(f"unsupported: scheme {scheme!r} in {text!r} ({served} and * are served)")
    rule = Rule(scheme, _host(text, host), _ports(text, port))
    if scheme in SOCKETS:
        if rule.is_self or host.lower().endswith(SIBLING):
            raise ConfigError(f"{text!r}: the app's own components are reached by http only")
        if port is None and SOCKETS[scheme] is None:
            raise ConfigError(f"{text!r} needs a port: {scheme} has none of its own")
    return rule


def _split(authority: str) -> tuple[str, str | None]:
    end = authority.rfind("]") + 1 if authority.startswith("[") else 0
    host, colon, port = authority[end:].rpartition(":")
    return (authority[:end] + host, port) if colon else (authority, None)


def _host(text: str, host: str) -> str | Network:
    bracketed = host.startswith("[") and host.endswith("]")
    bare = host[1:-1] if bracketed else host
    if "/" in bare:
        try:
            return ip_network(bare, strict=False)
        except ValueError:
            raise ConfigError(
                f"{text!r}: {bare!r} is no network such as 10.0.0.0/8, and a rule has no path"
            ) from None
    if (address := _address(bare)) is not None and bracketed == (":" in bare):
        return ip_network(address)
    if ":" in bare or "[" in host:
        raise ConfigError(f"{text!r}: {host} is no IPv6 address in brackets")
    name = host.lower()
    if name == "*" or is_name(name.removeprefix("*.")):
        return name
    raise ConfigError(f"{text!r}: {host!r} is no host name, address, network, *.suffix or *")


def _ports(text: str, port: str | None) -> tuple[int, int] | None:
    if port is None:
        return None
    if port == "*":
        return (1, 65535)
    ends = port.split("..")
    if len(ends) > 2 or not all(map(_is_port, ends)):
        raise ConfigError(f"{text!r}: {port!r} is no port, range a..b or *")
    if int(ends[0]) > int(ends[-1]):
        raise ConfigError(f"{text!r}: the range {port} is empty")
    return int(ends[0]), int(ends[-1])


def _is_port(text: str) -> bool:
    return bool(re.fullmatch(r"[0-9]{1,5}", text)) and 1 <= int(text) <= 65535


def is_name(text: str) -> bool:
    """Whether it is a host's name, and nothing that a resolver could read as an address."""
    return len(text) <= 253 and bool(_NAME.fullmatch(text)) and not _NUMERIC.fullmatch(text)


def _address(text: str) -> Address | None:
    try:
        return None if "%" in text else plain(ip_address(text))
    except ValueError:
        return None
