import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wasmdeploy_driver.errors import ConfigError
from wasmdeploy_driver.schema import decode, encode, entries, label_of


@dataclass(frozen=True, slots=True)
class Inner:
    name: str = field(metadata={"label": True})
    size: int = 1


@dataclass(frozen=True, slots=True)
class Plain:
    must: str
    count: int = 0


@dataclass(frozen=True, slots=True)
class Outer:
    text: str = "default"
    number: int = 5
    share: float = 0.5
    flag: bool = False
    maybe: str | None = None
    path: Path = Path("/x")
    names: tuple[str, ...] = ()
    table: Mapping[str, str] = field(default_factory=dict)
    one: Plain | None = None
    many: tuple[Plain, ...] = ()
    labelled: tuple[Inner, ...] = ()


def test_the_shape_of_each_key():
    """A field's type decides its shape; a label is no key."""
    assert [entry.kind for entry in entries(Outer)] == [
        *["attr"] * 6,
        "strings",
        "map",
        "block",
        "blocks",
        "labelled",
    ]
    assert [entry.name for entry in entries(Inner)] == ["size"]
    assert (label_of(Inner), label_of(Plain)) == ("name", None)


def test_types_as_hcl_writes_them():
    """Attributes have the types of HCL's spec language."""
    types = {
        entry.name: entry.hcl_type
        for entry in entries(Outer)
        if entry.kind in ("attr", "strings", "map") and entry.name != "path"
    }
    assert types == {
        "text": "string",
        "number": "number",
        "share": "number",
        "flag": "bool",
        "maybe": "string",
        "names": "list(string)",
        "table": "list(map(string))",
    }


@pytest.mark.parametrize("data", [{}, {entry.name: None for entry in entries(Outer)}])
def test_what_is_left_out_takes_its_default(data):
    """What Nomad leaves out comes as None, and takes the field's default."""
    assert decode(Outer, data, "x") == Outer()


def test_everything():
    """Every shape is read."""
    data = {
        "text": "a",
        "number": 3.0,
        "share": 1,
        "flag": True,
        "maybe": "",
        "path": "/p",
        "names": ["a", "b"],
        "table": [{"a": "1", "b": "2"}, {"b": "3"}],
        "one": {"must": "m"},
        "many": [{"must": "m", "count": 2}],
        "labelled": {"l": {"size": 2}, "k": {}},
    }
    assert decode(Outer, data, "x") == Outer(
        "a",
        3,
        1.0,
        True,
        "",
        Path("/p"),
        ("a", "b"),
        {"a": "1", "b": "3"},
        Plain("m"),
        (Plain("m", 2),),
        (Inner("l", 2), Inner("k")),
    )


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (None, "x: expected a block, got nothing"),
        ([], "x: expected a block, got a list"),
        ({"txt": "a"}, "x: unknown key 'txt'"),
        ({"text": 1}, "x.text: expected string, got int"),
        ({"number": True}, "x.number: expected number, got bool"),
        ({"number": 1.5}, "x.number: expected number, got float"),
        ({"number": float("nan")}, "x.number: expected number"),
        ({"number": float("inf")}, "x.number: expected number"),
        ({"share": False}, "x.share: expected number, got bool"),
        ({"flag": 1}, "x.flag: expected bool, got int"),
        ({"names": "a"}, "x.names: expected a list, got str"),
        ({"names": [1]}, "x.names: expected string, got int"),
        ({"table": [5]}, "x.table: expected a map, got int"),
        ({"table": {"a": 1}}, "x.table.a: expected string, got int"),
        ({"table": {1: "a"}}, "x.table: expected string, got int"),
        ({"one": {}}, "x.one: 'must' is missing"),
        ({"one": []}, "x.one: expected a block, got a list"),
        ({"many": [{"must": "m"}, {}]}, "x.many[1]: 'must' is missing"),
        ({"many": {}}, "x.many: expected a list, got a map"),
        ({"labelled": []}, "x.labelled: expected labelled blocks, got a list"),
        ({"labelled": {"a": None}}, "x.labelled: expected a block, got nothing"),
        ({"labelled": {"a": {"big": 1}}}, "x.labelled.a: unknown key 'big'"),
        ({"path": 5}, "x.path: expected Path, got int"),
    ],
)
def test_what_is_wrong_is_named(data, words):
    """A wrong key or type is a ConfigError that says where it is."""
    with pytest.raises(ConfigError) as caught:
        decode(Outer, data, "x")
    assert caught.value.message.startswith(words)


def test_defaults_are_not_written():
    """A key at its default is left out; one that must be given is always there."""
    assert encode(Outer()) == {}
    assert encode(Outer(one=Plain(""))) == {"one": {"must": ""}}


TEXT = st.text(max_size=5)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(
    st.builds(
        Outer,
        TEXT,
        st.integers(),
        st.floats(allow_nan=False),
        st.booleans(),
        st.none() | TEXT,
        st.just(Path("/p")),
        st.lists(TEXT).map(tuple),
        st.dictionaries(TEXT, TEXT),
        st.none() | st.builds(Plain, TEXT),
        st.lists(st.builds(Plain, TEXT, st.integers())).map(tuple),
        st.lists(st.builds(Inner, TEXT, st.integers()), unique_by=lambda each: each.name).map(tuple),
    )
)
def test_what_is_written_is_read_back(value):
    """Encoding and decoding give the same value."""
    assert decode(Outer, encode(value), "x") == value


@given(st.dictionaries(st.sampled_from([entry.name for entry in entries(Outer)]), VALUES))
def test_any_data(data):
    """Any data is a value or a ConfigError, never another exception."""
    with contextlib.suppress(ConfigError):
        decode(Outer, data, "x")
