"""Makes a component of a core module that carries its component's types, which some SDKs stop at."""

from __future__ import annotations

import wasmtime  # at home here

from wasmdeploy_driver.errors import GuestError
from wasmdeploy_driver.guest.program import Load, run_program


def componentize(
    module: bytes, *, engine: wasmtime.Engine | None = None, load: Load = wasmtime.Module
) -> bytes:
    """Return the module as a component; raises GuestError.

    What it imports of preview 1 becomes imports of WASI 0.2, and a `_start` becomes `wasi:cli/run`.
    """
    return run_program("componentize", module, _refusal, engine=engine, load=load)


def _refusal(words: str) -> GuestError:
    return GuestError(
        f"no component can be made of the module: {words or 'no reason given'}",
        "make one where it is built: wasm-tools component new",
    )
