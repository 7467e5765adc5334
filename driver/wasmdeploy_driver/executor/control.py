"""The control socket's protocol: JSON lines over a unix stream socket in the task's state directory.

The state directory (mode 0700, one per task, out of the guest's reach) holds

    launch.json     the Launch, written by whoever starts the executor
    control.sock    the executor listens here from its first moment on
    exit.json       empty until the end, then {"exit_code", "signal", "oom_killed", "error"}
    executor.log    the executor's own stderr (never the guest's)
    process.json    which executor and which plugin it belongs to, written by whoever starts the executor
    executor.json   [PID, START_TIME] of an executor that the holder forked, when it woke the parked task

A connection carries one call: the client sends one line, the executor answers with lines; the last one has
the key `ok` or `error`, and then the connection closes.

    {"call": "start", "vault_token": "…"}   events while it compiles and reads secrets, then
                                            {"ok": {"pid", "host", "port"}} once it serves
    {"call": "token", "vault_token": "…"}   Nomad has another one for the task; answers {"ok": {}}
    {"call": "stop", "timeout": 5.0}        drain, then exit; answers {"ok": {}} before it exits
    {"call": "signal", "name": "SIGHUP"}    {"ok": {}}
    {"call": "exec", "command": [], "tty"}  a console (`consoles`): both sides send lines until it has ended, then
                                            {"ok": {"exit_code"}}
    {"call": "inspect"}                     {"ok": {"pid", "state", "listen", "components", "requests", ...}}
    {"call": "events"}                      {"event": "…", "detail": "…"} for as long as the task runs, then
                                            {"ok": {}}

An event is {"event": NAME, "detail": TEXT}. An error is {"error": {"kind", "message", "hint"}}; `kind` names
a class of `wasmdeploy_driver.errors`. The socket is reached through the directory's descriptor, so a long
path does not matter.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from wasmdeploy_driver.errors import ExecutorError, WasmdeployError, from_kind

LAUNCH = "launch.json"
SOCKET = "control.sock"
EXIT = "exit.json"
LOG = "executor.log"
RECORD = "process.json"
EXECUTOR = "executor.json"
MAX_LINE = 1 << 20


@contextlib.contextmanager
def short_path(state: Path, name: str = SOCKET) -> Iterator[str]:
    """A path to `name` in `state` that fits a socket address however long `state` is."""
    fd = os.open(state, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}/{name}"
    finally:
        os.close(fd)


def listen(state: Path) -> socket.socket:
    """The control socket, made in the state directory; raises OSError."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with short_path(state) as path:
            listener.bind(path)
        listener.listen(16)
    except OSError:
        listener.close()
        raise
    return listener


def encode_line(message: Mapping[str, Any]) -> bytes:
    """One message as one line."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def decode_line(line: bytes) -> dict[str, Any]:
    """Read one line back; raises ExecutorError for anything but a JSON object in one whole line."""
    if not line.endswith(b"\n"):
        raise ExecutorError("control socket: the connection closed in the middle of an answer")
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ExecutorError("control socket: a line is no JSON") from error
    if not isinstance(message, dict):
        raise ExecutorError("control socket: a line is no JSON object")
    return message


def error_message(error: WasmdeployError) -> dict[str, Any]:
    """The last line of a call that failed."""
    return {"error": {"kind": error.kind, "message": error.message, "hint": error.hint}}


def result(message: Mapping[str, Any]) -> dict[str, Any] | None:
    """The `ok` value of a last line, None for an event line; raises the error that the executor reports."""
    error = message.get("error")
    if isinstance(error, dict):
        raise from_kind(str(error.get("kind")), str(error.get("message")), str(error.get("hint", "")))
    ok = message.get("ok")
    return ok if isinstance(ok, dict) else None


def call(state: Path, request: Mapping[str, Any], timeout: float) -> dict[str, Any]:
    """Make one call and wait for its answer, events skipped; raises the reported error or ExecutorError."""
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as connection:
        connection.settimeout(timeout)
        try:
            with short_path(state) as path:
                connection.connect(path)
            connection.sendall(encode_line(request))
            with connection.makefile("rb") as lines:
                while line := lines.readline(MAX_LINE):
                    answer = result(decode_line(line))
                    if answer is not None:
                        return answer
        except OSError as error:
            raise ExecutorError(f"control socket in {state}: {error.strerror or error}") from error
    raise ExecutorError(f"control socket in {state}: closed without an answer")
