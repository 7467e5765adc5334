import contextlib
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wasmdeploy_driver.egress.failure import CallError
from wasmdeploy_driver.egress.rules import Target, parse_rule, parse_rules, parse_target
from wasmdeploy_driver.errors import ConfigError


def named(rule, url):
    """Whether the rule lets a request to this URL be made, as far as its name says."""
    scheme, _, authority = url.partition("://")
    try:
        parse_rules([rule]).require(scheme, authority)
    except CallError:
        return False
    return True


@pytest.mark.parametrize(
    ("rule", "yes", "no"),
    [
        (
            "https://Example.com:8443",
            ["https://example.COM:8443"],
            [
                "http://example.com:8443",
                "https://example.com",
                "https://a.example.com:8443",
                "https://example.com.:8443",
                "https://evil.test@example.com:8443",
                "https://example.com:8443@evil.test",
                "https://example.com:08443x",
            ],
        ),
        ("https://a", ["https://a", "https://a:443"], ["https://a:80", "http://a:443"]),
        ("https://a/", ["https://a"], []),
        ("*://a", ["http://a", "https://a", "https://a:443"], ["http://a:443", "ftp://a:21"]),
        ("http://a:*", ["http://a:1", "http://a:65535"], ["https://a:1"]),
        ("http://a:8000..8010", ["http://a:8000", "http://a:8010"], ["http://a:7999", "http://a:8011"]),
        (
            "https://*.example.com",
            ["https://a.b.EXAMPLE.com"],
            [
                "https://example.com",
                "https://.example.com",
                "https://badexample.com",
                "https://a.example.com.evil.test",
            ],
        ),
        (
            "*://*:*",
            ["http://a", "https://b.c:9", "http://10.0.0.1:9", "http://[::1]:9"],
            ["http://", "http://self", "http://web.spin.internal"],
        ),
        (
            "http://10.0.0.0/8:*",
            ["http://10.1.2.3", "http://10.1.2.3:9"],
            ["http://11.0.0.1", "http://a", "https://10.1.2.3x"],
        ),
        ("http://10.1.2.3/8:*", ["http://10.9.9.9"], ["http://11.0.0.1"]),
        ("http://[fd00::/8]:80", ["http://[fd12::1]"], ["http://[fe80::1]", "http://fd12::1"]),
        ("http://fd00::/8:80", ["http://[fd12::1]"], []),
        ("http://[fe80::A]", ["http://[FE80::a]", "http://[fe80:0::a]"], ["http://[fe80::b]"]),
        ("http://127.0.0.1", ["http://127.0.0.1", "http://[::ffff:127.0.0.1]"], ["http://127.0.0.2"]),
        ("http://[::ffff:127.0.0.1]", ["http://127.0.0.1"], []),
        (
            "http://self",
            ["http://self", "http://", "https://", "http://self.alt"],
            ["http://a", "https://self"],
        ),
        ("http://web.spin.internal", ["http://WEB.spin.internal"], ["http://api.spin.internal", "http://"]),
        (
            "http://*.spin.internal",
            ["http://web.spin.internal"],
            ["http://spin.internal", "http://a.internal"],
        ),
        ("http://*.internal", ["http://a.internal", "http://spin.internal"], ["http://web.spin.internal"]),
    ],
)
def test_a_rule_names_hosts(rule, yes, no):
    """A rule is for the schemes, hosts and ports that it says, and for no other."""
    assert [url for url in yes if not named(rule, url)] == []
    assert [url for url in no if named(rule, url)] == []


@pytest.mark.parametrize(
    "authority",
    [
        "a b", "a/b", "u@h", "u:p@h", "a:b:1", "a:", "a:0", "a:65536", "a%41", "\xe9", "[::1", "[x]", "::1",
        "[127.0.0.1]", "[fe80::1%eth0]", "-a", "a..b", ".a", "*", "*.a", "a\r\nb", "a?b", "a#b", "a\\b",
        "127.1", "127.0.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.0.0.0x1", "1.2.3.4.", "0", "a.1",
        "256.1.1.1", "１２７.0.0.1", "a" * 64, "a." * 127 + "a",
    ],
)  # fmt: skip
def test_what_is_no_plain_host_is_no_target(authority):
    """User information, other spellings of addresses and whatever could be read in two ways are refused."""
    assert parse_target("http", authority) is None
    with pytest.raises(CallError, match="URI-invalid"):
        parse_rules(["*://*:*"]).require("http", authority)


@given(st.text())
def test_any_authority_has_an_answer(authority):
    """Whatever stands there, a target is a host in lower case and a port."""
    target = parse_target("https", authority)
    assert target is None or (target.host == target.host.lower() and 0 < target.port < 65536)


@pytest.mark.parametrize(
    ("rule", "wrong"),
    [
        ("a.example", "'a.example' is not scheme://host:port"),
        ("", "'' is not scheme://host:port"),
        ("*", "'*' is not scheme://host:port"),
        ("https:a", "'https:a' is not scheme://host:port"),
        ("://a", "'://a' is not scheme://host:port"),
        ("https://", "'https://' is not scheme://host:port"),
        ("https://a/b", "'https://a/b': 'a/b' is no network such as 10.0.0.0/8, and a rule has no path"),
        (
            "https://10.0.0.0/33",
            "'https://10.0.0.0/33': '10.0.0.0/33' is no network such as 10.0.0.0/8, and a rule has no path",
        ),
        ("https://u@a", "'https://u@a': 'u@a' is no host name, address, network, *.suffix or *"),
        ("https://a.*", "'https://a.*': 'a.*' is no host name, address, network, *.suffix or *"),
        ("https://*a", "'https://*a': '*a' is no host name, address, network, *.suffix or *"),
        ("https://*.", "'https://*.': '*.' is no host name, address, network, *.suffix or *"),
        ("https://*.*", "'https://*.*': '*.*' is no host name, address, network, *.suffix or *"),
        ("https://127.1", "'https://127.1': '127.1' is no host name, address, network, *.suffix or *"),
        ("https://[::g]", "'https://[::g]': [::g] is no IPv6 address in brackets"),
        ("https://[127.0.0.1]", "'https://[127.0.0.1]': [127.0.0.1] is no IPv6 address in brackets"),
        ("https://::1:80", "'https://::1:80': ::1 is no IPv6 address in brackets"),
        ("https://a:", "'https://a:': '' is no port, range a..b or *"),
        ("https://a:0", "'https://a:0': '0' is no port, range a..b or *"),
        ("https://a:65536", "'https://a:65536': '65536' is no port, range a..b or *"),
        ("https://a:1..", "'https://a:1..': '1..' is no port, range a..b or *"),
        ("https://a:1..2..3", "'https://a:1..2..3': '1..2..3' is no port, range a..b or *"),
        ("https://a:9..1", "'https://a:9..1': the range 9..1 is empty"),
        (
            "ftp://a:21",
            "unsupported: scheme 'ftp' in 'ftp://a:21' "
            "(http, https, tcp, udp, redis, postgres, mysql, mqtt and * are served)",
        ),
        ("tcp://a", "'tcp://a' needs a port: tcp has none of its own"),
        ("udp://10.0.0.0/8", "'udp://10.0.0.0/8' needs a port: udp has none of its own"),
        ("tcp://self:80", "'tcp://self:80': the app's own components are reached by http only"),
        (
            "redis://*.Spin.internal",
            "'redis://*.Spin.internal': the app's own components are reached by http only",
        ),
        ("https://{{ a }}", "'https://{{ a }}': '{{ a }}' is no host name, address, network, *.suffix or *"),
        ("insecure:allow-all", "'insecure:allow-all' is Spin 1's: write *://*:*"),
    ],
)  # fmt: skip
def test_a_malformed_rule_is_refused(rule, wrong):
    """A rule that would never match, or would match otherwise than meant, is an error that names it."""
    with pytest.raises(ConfigError) as caught:
        parse_rule(rule)
    assert caught.value.message == wrong


@given(st.text())
def test_any_text_is_a_rule_or_an_error(text):
    """Nothing else is raised."""
    with contextlib.suppress(ConfigError):
        parse_rule(text)


@pytest.mark.parametrize(
    ("rules", "address", "admitted"),
    [
        (["*://*:*"], "93.184.216.34", True),
        (["*://*:*"], "127.0.0.1", False),
        (["*://*:*", "http://db.test"], "10.0.0.1", False),
        (["*://*:*", "http://10.0.0.1"], "10.0.0.1", True),
        (["*://*:*", "http://10.0.0.1"], "10.0.0.2", False),
        (["*://*:*", "https://10.0.0.1:80"], "10.0.0.1", False),
        (["*://*:*", "http://10.0.0.1:81"], "10.0.0.1", False),
        (["*://*:*", "http://10.0.0.0/8"], "10.200.0.1", True),
        (["*://*:*", "http://localhost"], "127.0.0.53", True),
        (["*://*:*", "http://localhost"], "::1", True),
        (["*://*:*", "http://localhost"], "10.0.0.1", False),
        (["*://*:*", "http://localhost:81"], "127.0.0.1", False),
        (["*://*:*", "http://*.localhost"], "127.0.0.1", False),
        (["*://*:*", "http://[fd00::/8]"], "fd00::1", True),
        (["*://*:*", "http://0.0.0.0/0"], "169.254.169.254", True),
    ],
)
def test_a_private_address_must_be_listed(rules, address, admitted):
    """An address that is not public needs a rule that lists it, for the same scheme and port."""
    target = Target("http", "db.test", 80)
    assert parse_rules(rules).admit(target, ip_address(address)) is admitted


@pytest.mark.parametrize(
    ("rule", "http", "sockets"),
    [
        ("http://a", True, False),
        ("*://a:*", True, True),
        ("tcp://a:1", False, True),
        ("redis://a", False, True),
    ],
)
def test_what_a_rule_is_for(rule, http, sockets):
    """Requests have their schemes, sockets theirs, and the wildcard is for all."""
    rules = parse_rules([rule])
    assert (rules.are_for_http, rules.rules[0].is_for_sockets) == (http, sockets)
