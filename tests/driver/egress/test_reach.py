"""What the allow-list says to sockets, which know addresses where rules have names."""

import pytest

from wasmdeploy_driver.egress.reach import Reach
from wasmdeploy_driver.egress.rules import parse_rules

PUBLIC, OTHER = "93.184.216.34", "93.184.216.35"


def reach(*rules):
    return Reach(parse_rules(rules))


@pytest.mark.parametrize(
    ("rule", "yes", "no"),
    [
        (
            f"tcp://{PUBLIC}:5432",
            [("tcp", PUBLIC, 5432), ("tcp", f"::ffff:{PUBLIC}", 5432)],
            [("udp", PUBLIC, 5432), ("tcp", PUBLIC, 5433), ("tcp", OTHER, 5432)],
        ),
        ("udp://*:53", [("udp", PUBLIC, 53)], [("tcp", PUBLIC, 53), ("udp", "10.0.0.1", 53)]),
        ("tcp://10.0.0.0/8:1..9", [("tcp", "10.1.2.3", 9)], [("tcp", "10.1.2.3", 10), ("tcp", PUBLIC, 9)]),
        ("tcp://127.0.0.1:1", [("tcp", "127.0.0.1", 1)], [("tcp", "127.0.0.2", 1), ("tcp", "::1", 1)]),
        (
            "redis://10.0.0.1",
            [("tcp", "10.0.0.1", 6379)],
            [("tcp", "10.0.0.1", 80), ("udp", "10.0.0.1", 6379)],
        ),
        ("postgres://10.0.0.1", [("tcp", "10.0.0.1", 5432)], []),
        ("mysql://10.0.0.1", [("tcp", "10.0.0.1", 3306)], []),
        ("mqtt://10.0.0.1:8883", [("tcp", "10.0.0.1", 8883)], [("tcp", "10.0.0.1", 1883)]),
        (
            "*://*:*",
            [("tcp", PUBLIC, 1), ("udp", PUBLIC, 1)],
            [
                ("tcp", "127.0.0.1", 1),
                ("tcp", "::ffff:127.0.0.1", 1),
                ("tcp", "169.254.169.254", 80),
                ("tcp", "64:ff9b::7f00:1", 1),
                ("tcp", "fd00::1", 1),
                ("udp", "255.255.255.255", 1),
                ("udp", "224.0.0.1", 1),
            ],
        ),
        (f"*://{PUBLIC}", [], [("tcp", PUBLIC, 80), ("tcp", PUBLIC, 443)]),
        ("http://*:*", [], [("tcp", PUBLIC, 80)]),
    ],
)
def test_addresses(rule, yes, no):
    """A rule is for its protocol, its addresses and its ports; a wildcard is for public addresses."""
    assert [each for each in yes if not reach(rule).reaches(*each, [])] == []
    assert [each for each in no if reach(rule).reaches(*each, [])] == []


def test_a_run_reaches_so_many():
    """TCP connections, one by one, and addresses over UDP, which cost once; what is refused counts for nothing."""
    reach = Reach(parse_rules(["*://*:*"]), 3)
    for _ in range(2):
        assert not reach.reaches("tcp", "10.0.0.1", 1, [])
        assert reach.reaches("tcp", PUBLIC, 1, [])
        assert all(reach.reaches("udp", PUBLIC, 1, []) for _ in range(5))
        assert reach.reaches("tcp", PUBLIC, 1, [])
        assert not reach.reaches("tcp", PUBLIC, 1, [])
        assert not reach.reaches("udp", PUBLIC, 2, [])
        assert reach.reaches("udp", PUBLIC, 1, [])
        reach.begin()


@pytest.mark.parametrize(
    ("rules", "names", "address", "reached"),
    [
        (["tcp://db.test:1"], [], PUBLIC, False),
        (["tcp://db.test:1"], ["db.test"], PUBLIC, True),
        (["tcp://db.test:1"], ["web.test"], PUBLIC, False),
        (["tcp://db.test:1"], ["web.test", "db.test"], PUBLIC, True),
        (["tcp://*.test:1"], ["db.test"], PUBLIC, True),
        (["tcp://db.test:1"], ["db.test"], "10.0.0.1", False),
        (["tcp://db.test:1"], ["db.test"], "169.254.169.254", False),
        (["tcp://db.test:1", "tcp://10.0.0.1:2"], ["db.test"], "10.0.0.1", False),
        (["tcp://db.test:1", "http://10.0.0.1:1"], ["db.test"], "10.0.0.1", False),
        (["tcp://db.test:1", "tcp://10.0.0.1:1"], ["db.test"], "10.0.0.1", True),
        (["tcp://localhost:1"], ["localhost"], "127.0.0.1", True),
        (["tcp://localhost:1"], ["localhost"], "10.0.0.1", False),
        (["tcp://localhost:1"], [], "127.0.0.1", False),
    ],
)
def test_an_address_is_reached_by_a_name_that_led_to_it(rules, names, address, reached):
    """And by that name's rules only; one that is not public must be listed, whatever leads to it."""
    assert reach(*rules).reaches("tcp", address, 1, names) is reached


@pytest.mark.parametrize(
    ("name", "may"),
    [
        ("db.test", True),
        ("DB.Test", True),
        ("a.example.com", True),
        ("example.com", False),
        ("web.test", False),
        ("10.0.0.1", True),
        ("::1", True),
        ("self", False),
        ("web.spin.internal", False),
        ("2130706433", False),
        ("127.1", False),
        ("db.test.", False),
        ("db%2etest", False),
        ("d\u00adb.test", False),
        ("", False),
    ],
)
def test_names_that_may_be_looked_up(name, may):
    """Those that a rule for sockets names, at whatever port; a look-up tells others what a guest knows."""
    rules = (
        "tcp://db.test:1",
        "udp://*.example.com:53",
        "http://web.test",
        "*://self:*",
        "*://*.spin.internal:*",
    )
    assert reach(*rules).names(name) is may


def test_a_wildcard_is_for_every_name():
    """But for what is no plain name."""
    assert reach("tcp://*:1").names("db.test")
    for name in ("127.1", "0x7f000001", "self", "a b", "a/b"):
        assert not reach("tcp://*:1").names(name)
