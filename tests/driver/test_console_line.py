"""What the console reads of a line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wasmdeploy_driver.console.line import Statement, parse
from wasmdeploy_driver.errors import ConfigError


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", ()),
        ("  # nothing", ()),
        ("routes", (Statement(("routes",)),)),
        ('echo \'a  b\' "c \\" d" e\\ f', (Statement(("echo", "a  b", 'c " d', "e f")),)),
        ("echo a'b'\"c\"d", (Statement(("echo", "abcd")),)),
        ("echo '' x", (Statement(("echo", "", "x")),)),
        ("echo '$HOME * `x` | > &'", (Statement(("echo", "$HOME * `x` | > &")),)),
        ('echo "\\$1"', (Statement(("echo", "$1")),)),
        ("echo a#b # c", (Statement(("echo", "a#b")),)),
        ("a;b ; c", tuple(Statement((name,)) for name in "abc")),
        ("a && b || c", (Statement(("a",)), Statement(("b",), "success"), Statement(("c",), "failure"))),
        ("echo x >&2; b", (Statement(("echo", "x"), to_stderr=True), Statement(("b",)))),
        ("echo x 1>&2", (Statement(("echo", "x"), to_stderr=True),)),
        ("a;", (Statement(("a",)),)),
    ],
)
def test_lines(line, expected):
    """Words, quotes, comments, and what joins statements."""
    assert parse(line) == expected


@pytest.mark.parametrize(
    "line",
    ["echo $HOME", "echo $(ls)", "echo `ls`", 'echo "$HOME"', "ls *", "a | b", "a > file", "a < file", "a & b",
     "(a)", "echo 'open", 'echo "open', "; a", "a && ", "a ;; b", "x\\"],
)  # fmt: skip
def test_what_only_a_shell_would_understand(line):
    """It is an error, never taken for plain text."""
    with pytest.raises(ConfigError):
        parse(line)


@given(st.text())
def test_any_text_is_read_or_refused(line):
    """No line breaks the reader, and none is read as no words at all."""
    try:
        statements = parse(line)
    except ConfigError:
        return
    assert all(statement.words for statement in statements)


@given(st.lists(st.text().map(lambda text: text.replace("'", "")), min_size=1))
def test_quoted_words_stand_as_they_are(words):
    """What is in single quotes comes out unchanged."""
    (statement,) = parse(" ".join(f"'{word}'" for word in words))
    assert statement.words == tuple(words)
