"""Host functions that a component may import beside WASI: its variables, and stand-ins for what is not
offered.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import wasmtime
from wasmtime.component import Component, Linker, LinkerInstance, ResourceType, Variant
from wasmtime.component import _types as types

from wasmdeploy_driver.egress.reach import Reach
from wasmdeploy_driver.guest.call import AskTrailers, Trailers
from wasmdeploy_driver.guest.engine import Engine

_NATIVE = (
    "wasi:cli/",
    "wasi:clocks/",
    "wasi:filesystem/",
    "wasi:http/",
    "wasi:io/",
    "wasi:random/",
    "wasi:sockets/",
)
_OUTGOING = "wasi:http/outgoing-handler@"
# A guest that has waited until its deadline wakes up this long behind it, where even a late clock has interrupted it.
_BEHIND = 0.5
_FOR_EVER = (1 << 64) - 1
_STORES = ("wasi:config/store@", "wasi:config/runtime@")


class Told:
    """What the guest that runs has told the host beside its output, and what it may ask beside its input."""

    def __init__(self, reach: Reach | None = None) -> None:
        self.reach = reach
        self.trailers: Trailers = ()
        self.request_trailers: AskTrailers = tuple
        self._deadline = 0.0

    def begin(self, request_trailers: AskTrailers, seconds: float = 0) -> None:
        """Another run of at most so many seconds (0 for no limit) begins, which knows nothing of the one before."""
        self.trailers, self.request_trailers = (), request_trailers
        self._deadline = time.monotonic() + seconds if seconds else 0.0
        if self.reach is not None:
            self.reach.begin()

    def left(self) -> int:
        """For how many nanoseconds the run may wait."""
        if not self._deadline:
            return _FOR_EVER
        return int(max(0.0, self._deadline + _BEHIND - time.monotonic()) * 1e9)


def link(
    engine: Engine,
    component: Component,
    variables: Mapping[str, str],
    told: Told,
    *,
    calls_out: bool,
) -> Linker:
    """A linker that offers all that `component` imports.

    What no host function serves traps with its name when it is called: SDKs import more than an app uses. Only a
    component that was composed with the adapter, which knows the way out, `calls_out`: wasmtime's client would go
    anywhere. One that was composed with the adapter's sockets asks what it reaches.
    """
    linker = engine.linker()
    for name, extern in component.type.imports(engine.raw).items():
        if name.startswith(_OUTGOING) and not calls_out:
            _deny(linker, name)
        # Its type is asked for only where it matters: that takes a while.
        if name.startswith(_NATIVE) or not isinstance(
            instance_type := extern.ty, types.ComponentInstanceType
        ):
            continue
        with linker.root() as root, root.add_instance(name) as instance:
            offered = _offered(name, variables, told)
            for item, item_type in instance_type.exports(engine.raw).items():
                _define(instance, f"{name}#{item}", item, item_type.ty, offered.get(item))
    return linker


def _deny(linker: Linker, name: str) -> None:
    linker.allow_shadowing = True
    with linker.root() as root, root.add_instance(name) as instance:
        instance.add_func("handle", lambda _store, _request, _options: Variant("HTTP-request-denied"))
    linker.allow_shadowing = False


def serves(interface: str) -> bool:
    """Whether an import is more than a stand-in that traps."""
    return interface.startswith(_NATIVE) or bool(_offered(interface, {}, Told()))


def _define(
    instance: LinkerInstance, full: str, item: str, kind: Any, function: Callable[..., Any] | None
) -> None:
    if isinstance(kind, types.FuncType):
        instance.add_func(item, function or _missing(full))
    elif isinstance(kind, ResourceType):
        instance.add_resource(item, ResourceType.host(0), lambda _store, _rep: None)


def _missing(full: str) -> Callable[..., Any]:
    def trap(*_: Any) -> Any:
        raise wasmtime.WasmtimeError(f"{full} is not offered by this host")

    return trap


def _offered(name: str, variables: Mapping[str, str], told: Told) -> dict[str, Callable[..., Any]]:
    if name.startswith(_STORES):
        pairs = list(variables.items())
        return {"get": lambda _store, key: variables.get(key), "get-all": lambda _store: pairs}
    if name.startswith("fermyon:spin/variables@"):
        return {"get": lambda _store, key: variables.get(key, Variant("undefined", key))}
    if name == "fermyon:spin/config":
        return {"get-config": lambda _store, key: variables.get(key, Variant("invalid-key", key))}
    return _told(name, told)


def _told(name: str, told: Told) -> dict[str, Callable[..., Any]]:
    """What the adapter asks and tells the host."""
    if name.startswith("wasmdeploy:host/network@") and (reach := told.reach) is not None:
        return {
            "names": lambda _store, name: reach.names(name),
            "reaches": lambda _store, *question: reach.reaches(*question),
        }
    if name.startswith("wasmdeploy:host/deadline@"):
        return {"left": lambda _store: told.left()}
    if name.startswith("wasmdeploy:host/events@"):

        def trailers(_store: object, fields: Any) -> None:
            told.trailers = tuple((name.encode(), value.encode("latin-1")) for name, value in fields)

        def request_trailers(_store: object) -> list[tuple[str, str]]:
            return [(name.decode(), value.decode("latin-1")) for name, value in told.request_trailers()]

        return {"trailers": trailers, "request-trailers": request_trailers}
    return {}
