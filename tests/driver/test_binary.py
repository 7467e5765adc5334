import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wasmdeploy_driver.errors import GuestError
from wasmdeploy_driver.guest.binary import app_form, command_form, inspect, with_sockets

MODULE, COMPONENT = b"\0asm\x01\0\0\0", b"\0asm\x0d\0\x01\0"
HANDLER, RUN = "wasi:http/incoming-handler@0.2.3", "wasi:cli/run@0.2.0"
SOCKET = "wasi:sockets/tcp@0.2.0"


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


def typed(*exports, imported="wasi_snapshot_preview1"):
    custom = b"\0" + number(len(text("component-type:x"))) + text("component-type:x")
    return (
        MODULE
        + section(2, text(imported) + text("f") + b"\0\0")
        + section(7, *(text(name) + b"\0\0" for name in exports))
        + custom
    )


def test_a_module():
    """A core module tells its imports and exports."""
    binary = inspect(module("memory", "_start"), "x")
    assert (binary.component, binary.typed, app_form(binary, "x"), command_form(binary, "x")) == (
        False,
        False,
        "module",
        "module",
    )
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


def test_a_component():
    """A component tells its imports and exports."""
    binary = inspect(component(["wasi:io/poll@0.2.0"], ["other"]), "x")
    assert (binary.component, binary.imports, binary.exports) == (True, ("wasi:io/poll@0.2.0",), ("other",))


@pytest.mark.parametrize(
    ("data", "wagi", "form"),
    [
        (component(exports=[HANDLER]), False, "http"),
        (component(exports=[RUN, HANDLER]), False, "http"),
        (component(exports=[RUN, HANDLER]), True, "command"),
        (component(exports=[RUN]), True, "command"),
        (component(exports=["fermyon:spin/inbound-http"]), False, "http"),
        (module("_start"), False, "module"),
        (module("_start"), True, "module"),
        (module("_start", f"{HANDLER}#handle"), False, "module"),
        (typed("_start"), False, "module"),
        (typed(f"{HANDLER}#handle"), False, "http"),
        (typed("fermyon:spin/inbound-http#handle-request"), False, "http"),
        (typed("_start", imported="fermyon:spin/config"), False, "command"),
    ],
)
def test_how_an_app_answers(data, wagi, form):
    """A handler wins, unless the manifest says that the guest prints; types make a component of a module."""
    assert app_form(inspect(data, "x"), "x", wagi=wagi) == form


@pytest.mark.parametrize(
    ("data", "form"),
    [
        (component(exports=[RUN, HANDLER]), "command"),
        (module("_start"), "module"),
        (typed("_start"), "module"),
        (typed("_start", imported="fermyon:spin/config"), "command"),
        (typed(f"{RUN}#run", imported="fermyon:spin/config"), "command"),
    ],
)
def test_how_a_command_runs(data, form):
    """A component that exports both runs as a command when it is asked to."""
    assert command_form(inspect(data, "x"), "x") == form


@pytest.mark.parametrize(
    ("data", "form", "expected"),
    [
        (component([SOCKET], [HANDLER]), "http", "http+sockets"),
        (component([SOCKET], [RUN]), "command", "command+sockets"),
        (component(["wasi:http/types@0.2.0"], [HANDLER]), "http", "http"),
        (typed("_start", imported="wasi:sockets/tcp@0.2.0"), "command", "command+sockets"),
        (module("_start"), "module", "module"),
    ],
)
def test_sockets_are_for_those_who_ask(data, form, expected):
    """A guest that imports none is compiled as it would be without a rule for them."""
    assert with_sockets(form, inspect(data, "x")) == expected


def test_another_entry_point():
    """A preview 1 module may be called elsewhere than at _start; a component has no such choice."""
    assert app_form(inspect(module("other"), "x"), "x", entrypoint="other") == "module"
    with pytest.raises(GuestError, match="no entry point 'other'"):
        app_form(inspect(component(exports=[RUN]), "x"), "x", wagi=True, entrypoint="other")


def test_a_command_is_told_how_it_could_answer():
    """A component that could print its response learns of the manifest's key for that."""
    with pytest.raises(GuestError) as caught:
        app_form(inspect(component(exports=[RUN]), "x"), "x")
    assert "wagi" in caught.value.hint


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
        app_form(inspect(data, "x"), "x")


@pytest.mark.parametrize("data", [component(exports=[HANDLER]), module(), module("start")])
def test_no_command(data):
    """A guest that cannot be run is refused as a command."""
    with pytest.raises(GuestError, match="x does not export"):
        command_form(inspect(data, "x"), "x")


def test_names_that_would_disturb_a_terminal():
    """An error shows a few of a file's names, each on one line and cut."""
    names = ["\x1b[2J", "two\nlines", "x" * 10_000, *map(str, range(1000))]
    with pytest.raises(GuestError) as caught:
        app_form(inspect(component(exports=names), "x"), "x")
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 500


@pytest.mark.parametrize("where", ["imports", "exports"])
@pytest.mark.parametrize("form", [app_form, command_form])
def test_wasi_03(where, form):
    """A WASI 0.3 component is refused by that name, and told which engine takes it."""
    with pytest.raises(GuestError, match=r"WASI 0\.3 .*wasi:http/handler@0\.3\.0") as caught:
        form(inspect(component(**{where: ["wasi:http/handler@0.3.0-rc"]}), "x"), "x")
    assert 'engine = "wasmtime"' in caught.value.hint


@pytest.mark.parametrize("version", ["0.2.0-rc-2023-10-18", "0.2.0-rc-2023-11-10"])
@pytest.mark.parametrize("form", [app_form, command_form])
def test_release_candidates(version, form):
    """A component for a release candidate of WASI 0.2 is refused by its version, with what to do."""
    with pytest.raises(GuestError, match=version) as caught:
        form(
            inspect(
                component([f"wasi:io/streams@{version}"], [f"wasi:http/incoming-handler@{version}"]), "x"
            ),
            "x",
        )
    assert "0.2.0 or later" in caught.value.hint


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
            app_form(inspect(bytes(damaged), "x"), "x")
