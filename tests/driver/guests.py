"""Real guests for the tests: built on demand, composed, run with the host's part done by hand."""

from __future__ import annotations

import ctypes
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import wasmtime  # the host's part is done by hand
from wasmtime import _ffi as ffi
from wasmtime.component import Component, ExportIndex, Instance, Linker

from wasmdeploy_driver.egress.grant import Grant
from wasmdeploy_driver.guest.compose import compose
from wasmdeploy_driver.http.frame import NO_WAY_OUT, encode_way_out

ROOT = Path(__file__).parent.parent.parent
GUESTS = ROOT / "tests" / "guests"
RUN = "wasi:cli/run@0.2.12"
Pairs = Iterable[tuple[bytes, bytes]]


@cache
def rust_http() -> bytes:
    """The guest below tests/guests/rust-http, which cargo keeps up to date."""
    command = ["cargo", "build", "--quiet", "--locked", "--release", "--target", "wasm32-wasip2"]
    subprocess.run(command, cwd=GUESTS / "rust-http", check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", GUESTS / "rust-http" / "target"))
    return (target / "wasm32-wasip2" / "release" / "rust_http.wasm").read_bytes()


def componentize(source: str, directory: Path) -> bytes:
    """A componentize-py guest from one module's source, in the world that the CLI ships."""
    (directory / "app.py").write_text(source)
    tool = Path(sys.executable).with_name("componentize-py")
    command = [tool, "-d", ROOT / "cli" / "wasmdeploy_cli" / "wit", "-w", "http-py", "componentize", "app"]
    subprocess.run([*command, "-o", "app.wasm"], cwd=directory, check=True, stdout=subprocess.DEVNULL)
    return (directory / "app.wasm").read_bytes()


def composed(guest: bytes) -> bytes:
    """A guest composed with the adapter; the composer is compiled once for all tests."""
    return compose(guest, engine=_ENGINE, load=_load)


_ENGINE = wasmtime.Engine()


@cache
def _load(engine: wasmtime.Engine, code: bytes) -> wasmtime.Module:
    return wasmtime.Module(engine, code)


def wat(text: str) -> bytes:
    """A core module or component from its text."""
    return bytes(wasmtime.wat2wasm(text))


def head(method: str, target: bytes, headers: Pairs = (), grant: Grant | None = None, **parts: str) -> bytes:
    """A request head as the adapter reads it, its length in front."""
    texts = [
        method.encode(),
        parts.get("scheme", "http").encode(),
        parts.get("authority", "app.test").encode(),
        target,
    ]
    pairs = list(headers)
    data = b"\x02" + b"".join(map(_str, texts)) + struct.pack("<I", len(pairs))
    data += b"".join(_str(name) + _str(value) for name, value in pairs)
    data += encode_way_out(grant.port, grant.token) if grant else NO_WAY_OUT
    return struct.pack("<I", len(data)) + data


def _str(data: bytes) -> bytes:
    return struct.pack("<I", len(data)) + data


def response(status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> bytes:
    """A whole response as the adapter writes it."""
    pairs = b"".join(_str(name) + _str(value) for name, value in headers)
    text = struct.pack("<HI", status, len(headers)) + pairs
    return _str(text) + body


def failure(text: bytes) -> bytes:
    """The head of status 0 that the adapter writes."""
    return _str(b"\0\0" + _str(text))


@contextmanager
def elsewhere() -> Iterator[str]:
    """A server that answers a request with what it was sent; gives its authority."""
    with HTTPServer(("127.0.0.1", 0), _Elsewhere) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield f"127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


class _Elsewhere(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.headers.get("transfer-encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        text = f"{self.command} {self.path} {self.headers.get('x-from')} {body.decode()}".encode()
        self.send_response(203)
        self.send_header("x-kind", "told")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Answer:
    """What one run left behind."""

    ok: bool
    stdout: bytes
    stderr: bytes
    trailers: list[tuple[str, str]] = field(default_factory=list)


class Host:
    """Runs one composed guest: `fresh` makes an instance for each request, `reuse` keeps one.

    wasmtime's own outgoing HTTP comes from `add_wasi_http` on the linker and `set_wasi_http` on the store.
    """

    def __init__(
        self, guest: bytes, functions: Mapping[str, Mapping[str, Callable[..., object]]] | None = None
    ) -> None:
        self.engine = wasmtime.Engine(_config())
        self.component = Component(self.engine, composed(guest))
        self.linker = Linker(self.engine)
        self.linker.add_wasip2()
        self.linker.add_wasi_http()
        self.trailers: list[tuple[str, str]] = []
        self.request_trailers: list[tuple[str, str]] = []
        self.asked = False
        self.left = (1 << 64) - 1
        offered: dict[str, Mapping[str, Callable[..., object]]] = {
            "wasmdeploy:host/events@0.1.0": {
                "trailers": lambda _store, fields: self.trailers.extend(fields),
                "request-trailers": lambda _store: self._ask(),
            },
            "wasmdeploy:host/deadline@0.1.0": {"left": lambda _store: self.left},
            "wasi:config/store@0.2.0-rc.1": {
                "get": lambda _store, key: {"color": "green"}.get(key),
                "get-all": lambda _store: [("color", "green")],
            },
            **(functions or {}),
        }
        for name, interface in offered.items():
            with self.linker.root() as root, root.add_instance(name) as instance:
                for function, body in interface.items():
                    instance.add_func(function, body)
        self._stdout, self._stderr = os.memfd_create("stdout"), os.memfd_create("stderr")

    def fresh(
        self, stdin: bytes | Path, env: Iterable[tuple[str, str]] = (), files: Path | None = None
    ) -> Answer:
        """Answer one request with an instance of its own."""
        with self.reuse() as instance:
            return instance.run(stdin, env, files)

    def reuse(self, memory: int = -1) -> Reused:
        """An instance that answers one request after another; none of its memories gets larger than `memory` bytes."""
        return Reused(self, memory)

    def wasi(
        self, stdin: bytes | Path, env: Iterable[tuple[str, str]], files: Path | None
    ) -> wasmtime.WasiConfig:
        wasi = wasmtime.WasiConfig()
        wasi.env = list(env)
        wasi.stdout_file, wasi.stderr_file = f"/proc/self/fd/{self._stdout}", f"/proc/self/fd/{self._stderr}"
        if files is not None:
            wasi.preopen_dir(str(files), "/files")
        if isinstance(stdin, Path):
            wasi.stdin_file = stdin
            return wasi
        vector = ffi.wasm_byte_vec_t()
        ffi.wasm_byte_vec_new(
            ctypes.byref(vector), len(stdin), ctypes.cast(stdin, ctypes.POINTER(ctypes.c_uint8))
        )
        ffi.wasi_config_set_stdin_bytes(wasi.ptr(), ctypes.byref(vector))
        return wasi

    def _ask(self) -> list[tuple[str, str]]:
        self.asked = True
        return self.request_trailers

    def answer(self, ok: bool) -> Answer:
        trailers = self.trailers[:]
        self.trailers.clear()
        return Answer(ok, _content(self._stdout), _content(self._stderr), trailers)

    def close(self) -> None:
        os.close(self._stdout)
        os.close(self._stderr)


class Reused:
    """One instance; its WASI context is replaced before each run, as the engine does."""

    def __init__(self, host: Host, memory: int = -1) -> None:
        self._host = host
        self._store = wasmtime.Store(host.engine)
        self._store.set_limits(memory_size=memory)
        self._instance: Instance | None = None
        self._run: ExportIndex | None = None

    def __enter__(self) -> Reused:
        return self

    def __exit__(self, *_: object) -> None:
        self._store.close()

    def run(
        self, stdin: bytes | Path, env: Iterable[tuple[str, str]] = (), files: Path | None = None
    ) -> Answer:
        """Answer one request; raises WasmtimeError or Trap, after which the instance is dead."""
        self._store.set_wasi(self._host.wasi(stdin, env, files))
        if self._instance is None:
            self._store.set_wasi_http()
            self._store.set_epoch_deadline(1)
            self._instance = self._host.linker.instantiate(self._store, self._host.component)
        interface = self._instance.get_export_index(self._store, RUN)
        run = self._instance.get_func(
            self._store, self._instance.get_export_index(self._store, "run", interface)
        )
        assert run is not None
        result = run(self._store)
        return self._host.answer(getattr(result, "tag", None) != "err")


def _config() -> wasmtime.Config:
    config = wasmtime.Config()
    config.epoch_interruption = True
    config.cranelift_opt_level = "none"
    return config


def _content(descriptor: int) -> bytes:
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0)
