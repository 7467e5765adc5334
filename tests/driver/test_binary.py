import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wasmdeploy_driver.errors import GuestError
from wasmdeploy_driver.guest.binary import inspect, require_app, require_start, run_export

MODULE, COMPONENT = b"\0asm\x01\0\0\0", b"\0asm\x0d\0\x01\0"
HANDLER, RUN = "wasi:http/incoming-handler@0.2.3", "wasi:cli/run@0.2.0"


def number(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def text(name):
    return number(len(name.encode())) + name.encode()


def section(kind, *items):
    body = number(len(items)) + b"".join(items)
    return bytes([kind]) + number(len(body)) + body


def component(imports=(), exports=()):
    return (
        COMPONENT
        + section(10, *(b"\0" + text(name) + b"\x05\0" for name in imports))
        + section(11, *(b"\0" + text(name) + b"\x05\0\0" for name in exports))
    )


def module(*exports):
    imported = section(2, text("wasi_snapshot_preview1") + text("fd_write") + b"\0\0")
    return MODULE + imported + section(7, *(text(name) + b"\0\0" for name in exports))


def test_a_module():
    """A core module tells its imports and exports."""
    binary = inspect(module("memory", "_start"), "x")
    assert (binary.component, binary.kind) == (False, "module")
    assert binary.imports == ("wasi_snapshot_preview1.fd_write",)
    assert binary.exports == ("memory", "_start")


def test_imports_of_every_kind():
    """Tables, memories, globals and tags are passed over, with and without a bound."""
    kinds = [
        b"\0\x05",
        b"\x01\x70\0\x01",
        b"\x01\x70\x01\x01\x02",
        b"\x02\0\x01",
        b"\x02\x01\x01\x90\x03",
        b"\x03\x7f\0",
        b"\x04\0\0",
    ]
    data = MODULE + section(2, *(text("m") + text(str(at)) + kind for at, kind in enumerate(kinds)))
    assert inspect(data, "x").imports == tuple(f"m.{at}" for at in range(len(kinds)))


@pytest.mark.parametrize(("export", "kind"), [(HANDLER, "http"), (RUN, "command"), ("other", "command")])
def test_a_component(export, kind):
    """A component's exports say how it runs."""
    binary = inspect(component(["wasi:io/poll@0.2.0"], [export]), "x")
    assert (binary.component, binary.kind, binary.imports, binary.exports) == (
        True,
        kind,
        ("wasi:io/poll@0.2.0",),
        (export,),
    )


def test_run_wins_nothing_over_the_handler():
    """A component that exports both is an HTTP guest, and can still be run as a command."""
    binary = inspect(component([], [RUN, HANDLER]), "x")
    assert binary.kind == "http"
    require_app(binary, "x")
    require_start(binary, "x")
    assert run_export(binary) == RUN


@pytest.mark.parametrize(
    "data",
    [
        component(exports=[RUN]),
        component(),
        module("memory"),
        component(exports=["wasi:http/incoming-handler@0.1.0"]),
    ],
)
def test_no_app(data):
    """A guest that cannot answer HTTP is refused as an app."""
    with pytest.raises(GuestError, match="x does not export"):
        require_app(inspect(data, "x"), "x")


@pytest.mark.parametrize("data", [component(exports=[HANDLER]), module(), module("start")])
def test_no_command(data):
    """A guest that cannot be run is refused as a command."""
    with pytest.raises(GuestError, match="x does not export"):
        require_start(inspect(data, "x"), "x")


def test_names_that_would_disturb_a_terminal():
    """An error shows a few of a file's names, each on one line and cut."""
    names = ["\x1b[2J", "two\nlines", "x" * 10_000, *map(str, range(1000))]
    with pytest.raises(GuestError) as caught:
        require_app(inspect(component(exports=names), "x"), "x")
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 500


@pytest.mark.parametrize("where", ["imports", "exports"])
def test_wasi_03(where):
    """A WASI 0.3 component is refused by that name."""
    with pytest.raises(GuestError, match=r"WASI 0\.3 .*wasi:http/handler@0\.3\.0"):
        inspect(component(**{where: ["wasi:http/handler@0.3.0-rc"]}), "x")


@pytest.mark.parametrize("data", [b"", b"\0as", b"#!/bin/sh\n", b"PK\x03\x04", b"(module)"])
def test_no_webassembly(data):
    """What does not begin like WebAssembly is none."""
    with pytest.raises(GuestError, match="is not a WebAssembly file"):
        inspect(data, "x")


@pytest.mark.parametrize("version", [b"", b"\x01", b"\x02\0\0\0", b"\x0a\0\x01\0", b"\xff" * 4])
def test_unknown_versions(version):
    """A version that nobody knows is named."""
    with pytest.raises(GuestError, match="unknown WebAssembly version"):
        inspect(b"\0asm" + version, "x")


@pytest.mark.parametrize(
    "data",
    [
        module("_start")[:-1],
        component(["a"], ["b"])[:-1],
        MODULE + b"\x07",
        MODULE + b"\x07\x80",
        MODULE + b"\x07\x05\x01",
        MODULE + b"\x07\x01\x01",
        MODULE + section(7, b"\x02\xff\xfe\0\0"),
        MODULE + b"\x07" + b"\xff" * 20,
        MODULE + b"\x07\x0a" + b"\xff" * 9 + b"\x7f",
    ],
)
def test_damaged_files(data):
    """A file that is cut short or inconsistent is damaged."""
    with pytest.raises(GuestError, match="truncated or damaged"):
        inspect(data, "x")


@given(
    st.sampled_from(
        [b"", MODULE, COMPONENT, MODULE + b"\x02", MODULE + b"\x07", COMPONENT + b"\x0a", COMPONENT + b"\x0b"]
    ),
    st.binary(),
)
@example(MODULE, b"\x07\x0b" + b"\xff" * 9 + b"\x01\0")
def test_random_bytes(start, rest):
    """Random bytes are a binary or a GuestError, never another exception."""
    with contextlib.suppress(GuestError):
        inspect(start + rest, "x")


@given(st.integers(0, 200), st.integers(0, 255))
def test_damage_anywhere(at, byte):
    """One changed byte anywhere gives a binary or a GuestError, never another exception."""
    for data in (module("_start", "memory"), component(["a", "b"], [HANDLER, RUN])):
        damaged = bytearray(data)
        damaged[at % len(damaged)] = byte
        with contextlib.suppress(GuestError):
            require_app(inspect(bytes(damaged), "x"), "x")
