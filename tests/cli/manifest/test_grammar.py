import pytest

from wasmdeploy_cli.manifest import grammar


@pytest.mark.parametrize(
    ("check", "valid", "invalid"),
    [
        (
            grammar.app_name,
            ["a", "a-1", "a" * 63],
            ["", "A", "1a", "-a", "a-", "a_b", "a.b", "a\n", "a" * 64],
        ),
        (grammar.component_name, ["a", "A-b1", "x" * 63], ["", "1a", "a_b", "a/b", "a-", "..", "a\n"]),
        (grammar.variable_name, ["a", "a_1"], ["", "A", "1", "_a", "a-b", "a\n"]),
        (grammar.namespace, ["default", "Team-1"], ["", "a b", "a_b", "a" * 62]),
        (grammar.version, ["", "1.0.0-rc.1+x", "2025_01"], ["a b", ".1", "1\n", "${x}", "1" * 65]),
        (grammar.description, ["", "é" * 500], ["é" * 501]),
        (
            grammar.duration,
            ["0", "500ms", "30s", "1m30s", "1.5h"],
            ["", "30", "s", "-1s", "1d", "30 s", "1s\n"],
        ),
        (
            grammar.route,
            ["/", "/...", "/a", "/a/b/...", "/a/", "/a.b/%20"],
            ["", "a", "/a...", "/.../a", "/:id", "/a/:id/...", "/*", "/a b", "/a?b", "/a#b", "/é"],
        ),
        (grammar.url_path, ["/", "/a/b-c.d"], ["", "a", "/a b", "/${x}", "/a?b", "/a\n"]),
        (
            grammar.host,
            ["", "a", "A.b-c.example.com", "xn--e1a.example"],
            [
                "a b",
                "a`b",
                "a_b",
                ".a",
                "a.",
                "a..b",
                "-a",
                "a:80",
                "*.a",
                "a\n",
                "a" * 64,
                "${a}",
                "a) || Path(`/`",
            ],
        ),
        (
            grammar.vault_path,
            ["", "secret/a", "kv/a/b_c.d"],
            ["secret", "/a/b", "a//b", "a/b/", "a/b#c", "a b/c"],
        ),
        (
            grammar.vault_field,
            ["", "secret/a#b", "kv/a/b#c.d"],
            ["secret/a", "#b", "secret/a#", "a#b", "a/b#c d"],
        ),
        (
            grammar.artifacts,
            ["", "https://a.example/b", "http://127.0.0.1:8080"],
            [
                "a/b",
                "ftp://a",
                "https://",
                "https://a?b=c",
                "https://a#b",
                "https://a b",
                "https://a/${b}",
                "http://[",
                "s3::https://a",
            ],
        ),
    ],
)
def test_values(check, valid, invalid):
    """Each check takes what is valid and says something about what is not."""
    assert [value for value in valid if check(value)] == []
    assert [value for value in invalid if not check(value)] == []


@pytest.mark.parametrize(
    "host",
    [
        "https://a.example",
        "https://a.example/",
        "http://a:8080",
        "*://*:*",
        "*://*.a.b:80..90",
        "https://[::1]:443",
        "http://*",
    ],
)
def test_outbound_host(host):
    """Scheme, host and port in every form that the allow-list knows."""
    assert grammar.outbound_host(host) == ""


@pytest.mark.parametrize(
    ("host", "wrong"),
    [
        ("a.example", "'a.example' is not scheme://host:port"),
        ("https://", "'https://' is not scheme://host:port"),
        ("https://a/b", "'https://a/b' is not scheme://host:port"),
        ("https://u@a", "'https://u@a': 'u@a' is no host name, *.suffix or *"),
        ("https://a.*", "'https://a.*': 'a.*' is no host name, *.suffix or *"),
        ("https://*.", "'https://*.': '*.' is no host name, *.suffix or *"),
        ("https://[::g]", "'https://[::g]': [::g] is no IPv6 address"),
        ("https://a:", "'https://a:': '' is no port, range a..b or *"),
        ("https://a:0", "'https://a:0': '0' is no port, range a..b or *"),
        ("https://a:65536", "'https://a:65536': '65536' is no port, range a..b or *"),
        ("https://a:1..2..3", "'https://a:1..2..3': '1..2..3' is no port, range a..b or *"),
        ("https://a:9..1", "'https://a:9..1': the range 9..1 is empty"),
        ("redis://a:6379", "unsupported: scheme 'redis' in 'redis://a:6379' (http, https and * are served)"),
        ("http://self", "unsupported: service chaining to 'http://self'"),
        ("http://x.spin.internal", "unsupported: service chaining to 'http://x.spin.internal'"),
        ("https://{{ host }}", "unsupported: a variable in 'https://{{ host }}'"),
        ("insecure:allow-all", "'insecure:allow-all' is Spin 1's: write *://*:*"),
    ],
)
def test_outbound_host_refused(host, wrong):
    """An entry that the allow-list would never match, or would match otherwise than meant, says why."""
    assert grammar.outbound_host(host) == wrong
