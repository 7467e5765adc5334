"""The allow-list of a component or a command, as its task has it."""

from __future__ import annotations

from collections.abc import Iterable

from wasmdeploy_driver.egress.rules import PORTS, SOCKETS, Rules, parse_rule
from wasmdeploy_driver.errors import ConfigError, ExecutorError
from wasmdeploy_driver.variables import Values


def rules_of(texts: Iterable[str], values: Values, where: str) -> Rules:
    """The list with its variables filled in; raises ConfigError that names the rule, and no value."""
    rules = []
    for text in texts:
        filled = values.fill(text, where)
        try:
            rules.append(parse_rule(filled))
        except ConfigError as error:
            why = error.message if filled == text else f"{text!r} is no rule once its variables are filled in"
            raise ConfigError(f"{where}: {why}") from None
    return Rules(tuple(rules))


def opens_sockets(texts: Iterable[str], shown: str) -> bool:
    """Whether a guest is compiled for sockets, which is told by its list before the variables in it are known.

    Raises ExecutorError where the list counts on sockets and they cannot be opened.
    """
    schemes = {text.partition("://")[0] for text in texts} - PORTS.keys()
    if not schemes:
        return False
    from wasmdeploy_driver.guest.capi import can_open_network

    if can_open_network():
        return True
    if schemes & SOCKETS.keys():
        raise ExecutorError(
            f"{shown} has rules for sockets, which can be opened with wasmtime 50.0.1 on x86-64 only",
            "leave out the rules for other schemes than http and https",
        )
    return False
