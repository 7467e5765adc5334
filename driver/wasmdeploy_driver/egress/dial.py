"""From a name to a connection: resolved once, every address checked, and only a checked one connected to."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from wasmdeploy_driver.egress.address import plain
from wasmdeploy_driver.egress.failure import (
    ADDRESS_PROHIBITED,
    CONNECT_TIMEOUT,
    CallError,
    of_connect,
    of_lookup,
)
from wasmdeploy_driver.egress.rules import Address, Rules, Target
from wasmdeploy_driver.egress.tls import trusting

Resolve = Callable[[str], Awaitable[Sequence[str]]]
ProtocolFactory = Callable[[], asyncio.Protocol]
Connect = Callable[[ProtocolFactory, Address, int, ssl.SSLContext | None, str | None], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Network:
    """How the network is reached: a name's addresses, and a connection to one of them."""

    resolve: Resolve
    connect: Connect


async def dial(
    target: Target, rules: Rules, seconds: float, factory: ProtocolFactory, network: Network
) -> None:
    """Connect a protocol to the target within `seconds`, its TLS included; raises CallError."""
    deadline = asyncio.get_running_loop().time() + seconds
    addresses = await _addresses(target, deadline, network.resolve)
    admitted = [address for address in addresses if rules.admit(target, address)]
    if not admitted:
        raise CallError(ADDRESS_PROHIBITED)
    context = trusting() if target.scheme == "https" else None
    failed: CallError | None = None
    for number, address in enumerate(admitted):
        left = deadline - asyncio.get_running_loop().time()
        try:
            # Each address gets its share of the time, so that a dead first one leaves some to the next.
            async with asyncio.timeout(left / (len(admitted) - number)):
                await network.connect(
                    factory, address, target.port, context, target.host if context else None
                )
                return
        except (OSError, TimeoutError, ssl.SSLError) as error:
            failed = of_connect(error)
    raise failed or CallError(CONNECT_TIMEOUT)


async def _addresses(target: Target, deadline: float, resolve: Resolve) -> list[Address]:
    if (literal := target.address) is not None:
        return [literal]
    try:
        async with asyncio.timeout_at(deadline):
            found = await resolve(target.host)
    except TimeoutError as error:
        raise CallError("DNS-timeout") from error
    except (OSError, UnicodeError) as error:
        raise of_lookup(error) from error
    return list(dict.fromkeys(plain(ip_address(text)) for text in found))


async def open_connection(
    factory: ProtocolFactory, address: Address, port: int, context: ssl.SSLContext | None, name: str | None
) -> None:
    """Connect to an address, which asyncio resolves no further."""
    await asyncio.get_running_loop().create_connection(
        factory, str(address), port, ssl=context, server_hostname=name
    )


async def look_up(name: str) -> list[str]:
    """The system resolver's addresses of a name; raises OSError.

    Each look-up has a thread of its own: one that nobody answers holds up neither the others nor the exit.
    """
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[str]] = loop.create_future()

    def settle(result: list[str] | None, error: BaseException | None) -> None:
        if not found.done():  # the caller has given up
            if error is None:
                found.set_result(result or [])
            else:
                found.set_exception(error)

    def work() -> None:
        result: list[str] | None = None
        failed: BaseException | None = None
        try:
            result = [str(entry[4][0]) for entry in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)]
        except Exception as error:  # noqa: BLE001  # it is raised where the caller waits
            failed = error
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(settle, result, failed)

    try:
        threading.Thread(target=work, name="lookup", daemon=True).start()
    except RuntimeError as error:
        raise OSError(errno.EAGAIN, "the task has as many threads as it may") from error
    return await found


NETWORK = Network(look_up, open_connection)
