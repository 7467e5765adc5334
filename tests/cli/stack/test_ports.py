"""Which ports a stack takes."""

import itertools

import pytest

from wasmdeploy_cli.errors import StackError
from wasmdeploy_cli.stack import ports


def in_turn(choices: range) -> int:
    """A choice that is no choice."""
    return next(_turns) % len(choices) + choices.start if choices.step == 1 else choices[0]


_turns = itertools.count()


def test_standard_ports() -> None:
    """The programs' usual ports are taken while they are free."""
    chosen = ports.chosen(ports.wanted(1), {}, lambda port: True)
    assert chosen == ports.wanted(1)
    assert (chosen["nomad.http"], chosen["consul.http"], chosen["vault.http"], chosen["traefik.web"]) == (
        4646,
        8500,
        8200,
        8088,
    )


def test_taken_port() -> None:
    """A port that someone listens on is left to them."""
    chosen = ports.chosen(ports.wanted(1), {}, lambda port: port != 4646, pick=in_turn)
    assert chosen["nomad.http"] in range(10000, 20000)
    assert chosen["nomad.rpc"] == 4647


def test_auto_ports() -> None:
    """`auto` leaves all the usual ports alone, and names no port twice."""
    chosen = ports.chosen(ports.wanted(3), {}, lambda port: True, auto=True, pick=in_turn)
    assert not set(chosen.values()) & {4646, 4647, 4648, 8500, 8300, 8301, 8200, 8201, 8088, 8089}
    assert len(set(chosen.values())) == len(chosen)


def test_kept_ports() -> None:
    """A stack comes back on the ports it had, unless someone took one."""
    kept = {"nomad.http": 15001, "nomad.rpc": 15002}
    chosen = ports.chosen(ports.wanted(1), kept, lambda port: port != 15002, auto=True, pick=in_turn)
    assert chosen["nomad.http"] == 15001
    assert chosen["nomad.rpc"] != 15002


def test_disjoint_dynamic_ranges() -> None:
    """No two clients hand out the same port to a task."""
    chosen = ports.chosen(ports.wanted(4), {}, lambda port: port != 20401)
    starts = sorted(port for name, port in chosen.items() if name.endswith(".dynamic"))
    assert all(after - before >= ports.DYNAMIC_SIZE for before, after in itertools.pairwise(starts))
    assert not any(start <= 20401 < start + ports.DYNAMIC_SIZE for start in starts)


def test_no_port_left() -> None:
    """A machine without a free port is an error, not an endless search."""
    with pytest.raises(StackError, match=r"no free port for consul\.http"):
        ports.chosen(ports.wanted(1), {}, lambda port: False)


def test_listening() -> None:
    """Listening and UDP sockets count, connections do not."""
    table = (
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
        "   0: 0100007F:1226 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1 1 0 100\n"
        "   1: 0100007F:1227 0100007F:1226 01 00000000:00000000 00:00000000 00000000 0 0 1 1 0 100\n"
        "   2: 0100007F:1228 00000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 1 2 0 0\n"
    )
    assert ports.listening([table]) == {0x1226, 0x1228}
