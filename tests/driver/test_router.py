import pytest
from hypothesis import given
from hypothesis import strategies as st

from wasmdeploy_driver.errors import ConfigError
from wasmdeploy_driver.http.router import Route, Router

ROUTER = Router(
    Route(pattern, pattern) for pattern in ("/", "/a", "/a/...", "/a/b/...", "/a/b/c", "/deep/er/...")
)


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        (b"/", "/"),
        (b"", "/"),
        (b"//", "/"),
        (b"/a", "/a"),
        (b"/a/", "/a"),
        (b"/a/x", "/a/..."),
        (b"/a/b", "/a/b/..."),
        (b"/a/b/", "/a/b/..."),
        (b"/a/b/x/y", "/a/b/..."),
        (b"/a/b/c", "/a/b/c"),
        (b"/a/b/c/", "/a/b/c"),
        (b"/a/b/c/d", "/a/b/..."),
        (b"/deep/er", "/deep/er/..."),
    ],
)
def test_the_most_specific_route(path, pattern):
    """An exact route wins, then the longest wildcard; a trailing slash does not matter."""
    assert ROUTER.find(path).pattern == pattern


@pytest.mark.parametrize("path", [b"/x", b"/ab", b"/deep", b"/deep/error", b"*", b"a", b"/%61", b"/A"])
def test_no_route(path):
    """A path that only begins like a route has none."""
    assert ROUTER.find(path) is None


def test_the_root_wildcard():
    """`/...` answers every path."""
    router = Router([Route("/...", 1)])
    assert router.find(b"/") == router.find(b"/any/thing") == Route("/...", 1)
    assert router.find(b"*") is None


@pytest.mark.parametrize("pattern", ["", "a", "...", "a/...", "/a...", "/.../b", "/a/.../..."])
def test_a_broken_pattern(pattern):
    """A pattern starts with / and has ... only at its end."""
    with pytest.raises(ConfigError, match="route"):
        Router([Route(pattern, 1)])


@pytest.mark.parametrize("patterns", [("/a", "/a"), ("/a", "/a/"), ("/a/...", "/a/..."), ("/", "/")])
def test_a_route_given_twice(patterns):
    """Two components cannot answer the same path."""
    with pytest.raises(ConfigError, match="twice"):
        Router(Route(pattern, at) for at, pattern in enumerate(patterns))


@given(st.binary())
def test_any_path(path):
    """Any bytes are a path with a route or without one."""
    found = ROUTER.find(path)
    assert found is None or path.startswith(b"/") or not path
