import pytest

from wasmdeploy_http import Headers


def test_names_do_not_depend_on_case():
    """A header is found by its name in any case, and is told in lower case."""
    headers = Headers({"Content-Type": "text/html"})
    assert headers["content-TYPE"] == headers.get("CONTENT-type") == "text/html"
    assert "Content-type" in headers
    assert list(headers) == [("content-type", "text/html")]
    assert headers == Headers([("content-type", "text/html")])


def test_more_than_one_value():
    """`add` keeps what is there, setting an item replaces it."""
    headers = Headers([("a", "1"), ("b", "2")])
    headers.add("A", "3")
    assert (headers.get("a"), headers.get_all("a"), len(headers)) == ("1", ["1", "3"], 3)
    headers["A"] = "4"
    assert list(headers) == [("b", "2"), ("a", "4")]
    with pytest.raises(KeyError):
        headers["c"]


@pytest.mark.parametrize("name", ["", "a b", "a:", "ä", "a\n", None, 5])
def test_what_is_no_name(name):
    """A name that HTTP cannot carry is refused when it is given."""
    with pytest.raises(ValueError, match="no name of a header"):
        Headers([(name, "x")])


@pytest.mark.parametrize("value", ["a\nb", "a\r", "\0", "☃", "\x7f"])
def test_what_is_no_value(value):
    """A value that could break the message is refused, by its header's name."""
    headers = Headers()
    with pytest.raises(ValueError, match="header 'x-a'"):
        headers.add("x-a", value)
    with pytest.raises(ValueError, match="header 'x-a'"):
        headers["x-a"] = value
    assert len(headers) == 0
