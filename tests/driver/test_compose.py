"""The composer: which guests become commands, and what the others are told."""

from __future__ import annotations

import pytest
import wasmtime  # reads what a composed component is
from wasmtime.component import Component

from tests.driver.guests import RUN, Host, composed, head, rust_http, wat
from tests.driver.renamed import renamed
from wasmdeploy_driver.errors import GuestError
from wasmdeploy_driver.guest.compose import compose

OLD = """
(component
  (import "wasi:http/types@{types}" (instance $types
    (export "incoming-request" (type (sub resource)))
    (export "response-outparam" (type (sub resource)))))
  (alias export $types "incoming-request" (type $request))
  (alias export $types "response-outparam" (type $outparam))
  (import "wasi:io/streams@0.2.0" (instance $streams (export "output-stream" (type (sub resource)))))
  (alias export $streams "output-stream" (type $output))
  (import "wasi:cli/stdout@0.2.3" (instance $stdout
    (export "output-stream" (type $stream (eq $output)))
    (export "get-stdout" (func (result (own $stream))))))
  (import "wasi:clocks/monotonic-clock@0.2.5" (instance $clock (export "now" (func (result u64)))))
  (import "acme:own/things" (instance $own (export "ask" (func (result u32)))))
  (core func $get-stdout (canon lower (func $stdout "get-stdout")))
  (core func $drop-stream (canon resource.drop $output))
  (core func $now (canon lower (func $clock "now")))
  (core func $ask (canon lower (func $own "ask")))
  (core func $drop-request (canon resource.drop $request))
  (core func $drop-outparam (canon resource.drop $outparam))
  (core module $main
    (import "" "get-stdout" (func $get-stdout (result i32)))
    (import "" "drop-stream" (func $drop-stream (param i32)))
    (import "" "now" (func $now (result i64)))
    (import "" "ask" (func $ask (result i32)))
    (import "" "drop-request" (func $drop-request (param i32)))
    (import "" "drop-outparam" (func $drop-outparam (param i32)))
    (func (export "handle") (param i32 i32)
      (call $drop-request (local.get 0))
      (call $drop-outparam (local.get 1))
      (call $drop-stream (call $get-stdout))
      (drop (call $now)))
    (func (export "run") (result i32) (i32.const 1)))
  (core instance $main (instantiate $main (with "" (instance
    (export "get-stdout" (func $get-stdout))
    (export "drop-stream" (func $drop-stream))
    (export "now" (func $now))
    (export "ask" (func $ask))
    (export "drop-request" (func $drop-request))
    (export "drop-outparam" (func $drop-outparam))))))
  (type $handle (func (param "request" (own $request)) (param "response-out" (own $outparam))))
  (func $handle (type $handle) (canon lift (core func $main "handle")))
  (component $handler
    (import "request" (type $request (sub resource)))
    (import "outparam" (type $outparam (sub resource)))
    (import "handle" (func $handle (param "request" (own $request)) (param "response-out" (own $outparam))))
    (export $exported-request "incoming-request" (type $request))
    (export $exported-outparam "response-outparam" (type $outparam))
    (export "handle" (func $handle) (func
      (param "request" (own $exported-request)) (param "response-out" (own $exported-outparam)))))
  (instance $handler (instantiate $handler
    (with "request" (type $request)) (with "outparam" (type $outparam)) (with "handle" (func $handle))))
  (func $run (result (result)) (canon lift (core func $main "run")))
  (instance $command (export "run" (func $run)))
  (export "wasi:http/incoming-handler@{handler}" (instance $handler))
  (export "wasi:cli/run@0.2.0" (instance $command)))
"""


def names(component: bytes) -> tuple[set[str], set[str]]:
    engine = wasmtime.Engine()
    kind = Component(engine, component).type
    return set(kind.imports(engine)), set(kind.exports(engine))


def exporting(name: str) -> bytes:
    return wat(f'(component (component $c) (instance $i (instantiate $c)) (export "{name}" (instance $i)))')


def test_the_result_is_a_command() -> None:
    """It exports wasi:cli/run and nothing else, and imports the host's events."""
    imports, exports = names(composed(rust_http()))
    assert exports == {RUN}
    assert "wasmdeploy:host/events@0.1.0" in imports


@pytest.mark.parametrize(("types", "handler"), [("0.2.0", "0.2.0"), ("0.2.0", "0.2.6"), ("0.2.12", "0.2.12")])
def test_minors_of_wasi_are_merged(types: str, handler: str) -> None:
    """A guest built against several 0.2.x gets one of each interface; what is not WASI stays imported."""
    imports, exports = names(composed(wat(OLD.format(types=types, handler=handler))))
    assert exports == {RUN}
    assert {name for name in imports if name.startswith("wasi:io/streams@")} == {"wasi:io/streams@0.2.12"}
    assert {name for name in imports if name.startswith("wasi:http/types@")} == {"wasi:http/types@0.2.12"}
    assert "acme:own/things" in imports


@pytest.mark.parametrize("version", ["0.2.12+x", "0.2.99999999999"])
def test_every_version_that_a_host_takes_for_its_own_is_the_adapters(version: str) -> None:
    """No number and no build leads a guest to the host's own HTTP."""
    guest = renamed(rust_http(), "wasi:http/", version)
    imports, _ = names(composed(guest))
    assert {name for name in imports if name.startswith("wasi:http/")} == {
        "wasi:http/types@0.2.12",
        "wasi:http/outgoing-handler@0.2.12",
    }
    host = Host(guest)
    assert host.fresh(head("GET", b"/fetch?http://127.0.0.1:1/")).stdout.endswith(b"HttpRequestDenied")
    host.close()


def test_the_handler_wins_over_the_guests_own_run() -> None:
    """A guest that is a command as well answers requests, without ever importing the outgoing handler."""
    host = Host(
        wat(OLD.format(types="0.2.0", handler="0.2.0")), {"acme:own/things": {"ask": lambda _store: 42}}
    )
    answer = host.fresh(head("GET", b"/"))
    assert answer.ok
    assert answer.stdout.endswith(b"internal-error: guest set no response")
    host.close()


def test_the_compiled_composer_can_be_kept() -> None:
    """`load` is asked for the composer's module and may answer from a cache."""
    kept: list[wasmtime.Module] = []

    def load(engine: wasmtime.Engine, code: bytes) -> wasmtime.Module:
        if not kept:
            kept.append(wasmtime.Module(engine, code))
        return kept[0]

    engine = wasmtime.Engine()
    first = compose(rust_http(), engine=engine, load=load)
    assert compose(rust_http(), engine=engine, load=load) == first
    assert len(kept) == 1


@pytest.mark.parametrize(
    ("guest", "message"),
    [
        (b"", "not a component: this is not WebAssembly"),
        (b"#!/bin/sh\n", "not a component: this is not WebAssembly"),
        (wat("(module)"), "not a component: this is a core module"),
        (
            wat("(component)"),
            "no wasi:http/incoming-handler@0.2 export: the component exports nothing",
        ),
        (
            exporting("wasi:cli/run@0.2.0"),
            "no wasi:http/incoming-handler@0.2 export: the component exports wasi:cli/run@0.2.0",
        ),
        (
            exporting("wasi:http/incoming-handler@0.2.0-rc-2023-11-10"),
            "no wasi:http/incoming-handler@0.2 export: the component exports "
            "wasi:http/incoming-handler@0.2.0-rc-2023-11-10",
        ),
        (
            wat(
                OLD.format(types="0.2.0", handler="0.2.0").replace(
                    "acme:own/things", "wasmdeploy:host/network@0.1.0"
                )
            ),
            "the component imports wasmdeploy:host/network@0.1.0, which is not for guests",
        ),
        (
            exporting("wasi:http/handler@0.3.0"),
            "a WASI 0.3 component (wasi:http/handler@0.3.0): only WASI 0.2 components can be run in-process",
        ),
    ],
)
def test_other_files_are_refused_in_plain_words(guest: bytes, message: str) -> None:
    """The message says what the file is, or what it exports; the hint what to do."""
    with pytest.raises(GuestError) as refusal:
        composed(guest)
    assert refusal.value.message == message
    assert refusal.value.hint


@pytest.mark.parametrize("length", [5, 9, 2000, 100_000])
def test_a_cut_file_is_refused(length: int) -> None:
    """A file that ends too early is damaged WebAssembly, not a crash of the composer."""
    with pytest.raises(GuestError, match=r"^damaged WebAssembly: ") as refusal:
        composed(rust_http()[:length])
    assert "\n" not in refusal.value.message


def test_a_handler_that_is_no_handler_is_refused() -> None:
    """An export with the right name and the wrong type is told apart from a crash."""
    with pytest.raises(GuestError, match=r"does not fit WASI 0\.2"):
        composed(exporting("wasi:http/incoming-handler@0.2.0"))


def test_an_import_the_adapter_does_not_have_is_refused() -> None:
    """A guest that wants more of wasi:http than there is gets the interface's name."""
    text = OLD.format(types="0.2.0", handler="0.2.0").replace(
        '(export "response-outparam" (type (sub resource)))))',
        '(export "response-outparam" (type (sub resource))) (export "teleport" (func))))',
        1,
    )
    with pytest.raises(GuestError, match=r"^the guest's import wasi:http/types@0\.2\.0 does not fit"):
        composed(wat(text))


def test_a_composer_that_traps_is_an_error_in_one_line() -> None:
    """Whatever goes wrong inside the composer is the guest's refusal, not wasmtime's error."""
    broken = wat('(module (func (export "_start") unreachable))')
    with pytest.raises(GuestError, match="unreachable") as refusal:
        compose(rust_http(), load=lambda engine, _code: wasmtime.Module(engine, broken))
    assert "\n" not in refusal.value.message
