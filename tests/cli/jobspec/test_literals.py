import pytest

from wasmdeploy_cli.jobspec.literals import assignments, duration, literal, mapping, quote


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("", '""'),
        ('a "b" \\', r'"a \"b\" \\"'),
        ("\n\r\t", r'"\n\r\t"'),
        ("\x01\x7f\u2028\ufeff\u202e", r'"\u0001\u007f\u2028\ufeff\u202e"'),
        ("é 😀 \U000e0001", r'"é 😀 \U000e0001"'),
        ("${a} $${b} %{c} %%{d}", '"$${a} $$${b} %%{c} %%%{d}"'),
    ],
)
def test_quote(text, quoted):
    """What HCL would read as something else, and what a terminal would not show, is escaped."""
    assert quote(text) == quoted


@pytest.mark.parametrize(
    ("value", "text"), [(True, "true"), (3, "3"), (["a", "b"], '["a", "b"]'), ([], "[]")]
)
def test_literal(value, text):
    """Numbers, bools and lists as HCL writes them."""
    assert literal(value) == text


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (5 * 10**9, '"5s"'),
        (180 * 10**9, '"3m"'),
        (90 * 10**9, '"90s"'),
        (3600 * 10**9, '"1h"'),
        (5 * 10**6, '"5ms"'),
        (7, '"7ns"'),
        (0, '"0s"'),
    ],
)
def test_duration(nanoseconds, text):
    """The largest unit that divides it."""
    assert duration(nanoseconds) == text


def test_alignment():
    """Equals signs stand below each other; the keys of a map are quoted."""
    assert assignments([("a", 1), ("long", "x")]) == ["a    = 1", 'long = "x"']
    assert mapping("m", {"for": "1", "a b": "2"}) == ["m = {", '  "for" = "1"', '  "a b" = "2"', "}"]
