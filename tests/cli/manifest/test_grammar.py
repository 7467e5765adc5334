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


@pytest.mark.parametrize("name", ["auth", "auth@", "a,b@file", "a b@file", "a@file@file", "`@file"])
def test_no_middleware(name):
    """A middleware has the provider that defines it, and nothing that a tag would read as more."""
    assert (
        grammar.middlewares(("good-1@file", name))
        == f"{name!r} is no middleware with its provider, like auth@file"
    )
    assert grammar.middlewares(("good-1@file",)) == ""


@pytest.mark.parametrize(
    "url", ["", "docs", "ftp://x", "http://", "https://a b", "javascript:x", "http://[x"]
)
def test_no_link(url):
    """A link is a web address with a label."""
    assert grammar.links({"Docs": url}) == f"{url!r} is no http:// or https:// URL"
    assert grammar.links({" ": "https://x"}) == "' ' is no label"
    assert grammar.links({"Docs and more": "https://x:1/y?z=1#a"}) == ""


@pytest.mark.parametrize("path", ["", "/", "data", "/a/", "//a", "/a/../b", "/.", "/a b", "/${b}", "/a\n"])
def test_paths_that_are_none(path):
    """A guest's path is absolute, not the root, and nothing that Nomad would replace."""
    assert grammar.guest_path(path) == f"{path!r} is no path like /data"


def test_volumes():
    """Volumes have plain names."""
    assert grammar.guest_path("/srv/my-data/v1.0_x") == ""
    assert grammar.volume_source("") == grammar.volume_source("my.data-1_x") == ""
    assert grammar.volume_source("${x}") == "'${x}' is no name of a host volume"
