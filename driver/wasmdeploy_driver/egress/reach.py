"""What a guest's sockets may reach: the rules, asked for addresses and the names that led to them, and how many of them
one request may reach. Does no I/O.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address

from wasmdeploy_driver.egress.address import plain
from wasmdeploy_driver.egress.rules import Address, Rules, Target, is_name


@dataclass(slots=True)
class Reach:
    """The answers of an allow-list to the adapter, which stands between a guest and the host's sockets.

    `most` is how many TCP connections and how many addresses over UDP there may be in one run, None for no bound.
    """

    rules: Rules
    most: int | None = None
    _reached: int = 0
    _heard: set[tuple[Address, int]] = field(default_factory=set)  # over UDP, which asks for every datagram

    def begin(self) -> None:
        """Another run begins, which has reached nothing yet."""
        self._reached = 0
        self._heard.clear()

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
        ) and self._counts(protocol, to, port)

    def _counts(self, protocol: str, to: Address, port: int) -> bool:
        """Whether this is no more than a run may reach."""
        if self.most is None or (protocol == "udp" and (to, port) in self._heard):
            return True
        if self._reached == self.most:
            return False
        self._reached += 1
        if protocol == "udp":
            self._heard.add((to, port))
        return True
