"""What a guest's sockets may reach: the rules, asked for addresses and the names that led to them. Does no I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address

from wasmdeploy_driver.egress.address import plain
from wasmdeploy_driver.egress.rules import Rules, Target, is_name


@dataclass(frozen=True, slots=True)
class Reach:
    """The answers of an allow-list to the adapter, which stands between a guest and the host's sockets."""

    rules: Rules

    def names(self, name: str) -> bool:
        """Whether a name may be looked up: one that a rule is for. An address is one without a look-up."""
        target = Target("tcp", name.lower(), 0)
        if target.address is not None:
            return True
        if not is_name(name) or target.is_self or target.sibling is not None:
            return False
        return any(rule.is_for_sockets and rule.names_host(target) for rule in self.rules.rules)

    def reaches(self, protocol: str, address: str, port: int, names: Iterable[str]) -> bool:
        """Whether `tcp` or `udp` may be spoken to an address, by itself or by a name that was looked up to it."""
        to = plain(ip_address(address))
        targets = [Target(protocol, host, port) for host in (str(to), *names)]
        return any(
            self.rules.admit(target, to) and any(rule.names(target) for rule in self.rules.rules)
            for target in targets
        )
