import tomllib

from hypothesis import given
from hypothesis import strategies as st

from wasmdeploy_cli.manifest.locate import key_lines

HARD = '''\
# a comment with [table] and key = 1
top = "a # no comment" # a comment
"quoted.key" = 1
'literal key' = 2
a.b . "c d" = 3
multi = """
[not.a.table]
x = "y\\""""""
raw = \'\'\'
[nor.this] \'\' \'\'\'
list = [ # comment ]
  "one", # two
  'thr]ee',
  [1, 2],
  { in = "line }", deep = { er = [true] } },
]
when = 2020-01-01 00:00:00
empty = {}
[t]
  [t.sub]
  k = 1
[[arr]]
n = 1
[[arr.inner]]
m = 1
[[arr.inner]]
m = 2
[arr.table]
o = 1
[[arr]]
n = 2
[[arr.inner]]
m = 3
'''


def paths(value, path=()):
    """Every key and index of a parsed document."""
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield (*path, key)
            yield from paths(item, (*path, key))


def test_every_key_of_a_hard_document_has_a_line():
    """The scanner finds exactly the paths that the parser finds."""
    assert set(key_lines(HARD)) == set(paths(tomllib.loads(HARD)))


def test_lines_are_those_of_the_text():
    """A key's line is where it is written, behind strings of many lines and in arrays of tables."""
    lines = key_lines(HARD)
    text = HARD.splitlines()
    assert text[lines[("raw",)] - 1].startswith("raw")
    assert text[lines[("list", 1)] - 1] == "  'thr]ee',"
    assert text[lines[("list", 3, "deep", "er", 0)] - 1].startswith("  { in")
    assert lines[("arr", 0, "n")] + 8 == lines[("arr", 1, "n")]
    assert text[lines[("arr", 1, "inner", 0, "m")] - 1] == "m = 3"
    assert lines[("arr", 0, "inner", 1)] == lines[("arr", 0, "inner", 1, "m")] - 1


KEYS = st.text("ab-_ .\"'#[]=é", min_size=1, max_size=4)
SCALARS = st.one_of(
    st.integers(),
    st.booleans(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text("a\"'\\#[]{},=\n\r\té", max_size=8),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)


def quoted(text):
    return '"' + "".join(f"\\u{ord(char):04x}" if char in '"\\\n\r\t' else char for char in text) + '"'


def inline(value):
    match value:
        case bool():
            return str(value).lower()
        case str():
            return quoted(value)
        case list():
            return "[" + ",\n ".join(map(inline, value)) + "]"
        case dict():
            return "{" + ", ".join(f"{quoted(key)} = {inline(item)}" for key, item in value.items()) + "}"
        case float():
            return f"{value!r}" if "." in repr(value) or "e" in repr(value) else f"{value}.0"
    return repr(value)


@given(
    st.dictionaries(KEYS, VALUES, max_size=3), st.lists(st.dictionaries(KEYS, VALUES, max_size=2), max_size=3)
)
def test_any_document(top, tables):
    """For any document, tables and arrays of tables included, the scanner agrees with the parser."""
    top = {f"top{key}": value for key, value in top.items()}
    text = "".join(f"{quoted(key)} = {inline(value)}\n" for key, value in top.items())
    for table in tables:
        text += "[[many]] # more\n" + "".join(
            f"{quoted(key)} = {inline(value)}\n" for key, value in table.items()
        )
    document = tomllib.loads(text)
    assert set(key_lines(text)) == set(paths(document))
