"""Composes a guest that handles HTTP with the adapter, so that it runs as a command over stdin and stdout."""

from __future__ import annotations

import wasmtime  # at home here

from wasmdeploy_driver.errors import GuestError
from wasmdeploy_driver.guest.binary import Form
from wasmdeploy_driver.guest.program import Load, run_program

_UNFIT = "the guest cannot be composed with the HTTP adapter"
_HINTS = {
    "not a component": "build the app as a WASI 0.2 component, for example with wasmdeploy build",
    "damaged WebAssembly": "build it again, or copy it again",
    "a WASI 0.3 component": "build it for WASI 0.2: with componentize-py, a world that uses wasi:http@0.2",
    "the guest's import wasi:": "build it again with an SDK for WASI 0.2.0 or later",
    "the component imports wasmdeploy:": "build it without that interface, which only the adapter may use",
    "no wasi:http/incoming-handler": "an app that answers HTTP exports it; other components run as commands",
}


def compose(
    guest: bytes, form: Form = "http", *, engine: wasmtime.Engine | None = None, load: Load = wasmtime.Module
) -> bytes:
    """Return the guest as a component that exports `wasi:cli/run`; raises GuestError.

    For `http` the guest must be a WASI 0.2 component that exports `wasi:http/incoming-handler`, or Spin's
    `fermyon:spin/inbound-http`. The result's `run` answers ok when stdout holds a whole response or a head of
    status 0, and an error when the response there was cut short. With `sockets` it asks the host's
    `wasmdeploy:host/network` what it may reach. `load` may keep the compiled composer between calls; `engine` must not
    interrupt by epoch.
    """
    return run_program("compose", guest, _refusal, form, engine=engine, load=load)


def _refusal(words: str) -> GuestError:
    message = words or _UNFIT
    hint = next((hint for start, hint in _HINTS.items() if message.startswith(start)), "")
    return GuestError(message, hint)
