"""The tasks' Vault tokens: where Nomad leaves them, and their way to the executors.

Nomad renews a token, and gets another one where that fails; it then writes it to the same file and, with
`change_mode = "noop"`, tells nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import stat
from pathlib import Path

from wasmdeploy_driver.errors import SecretError, WasmdeployError
from wasmdeploy_driver.executor.control import LAUNCH
from wasmdeploy_driver.runner import Handle
from wasmdeploy_driver.secrets import Secret

_MAX_TOKEN = 16 << 10
_LOOK_SECONDS = 2.0
_LOG = logging.getLogger(__name__)


def read_token(root: Path) -> Secret | None:
    """The token in a task's directory, None where there is none; raises SecretError."""
    token = _read_below(root, "private", "vault_token").strip()
    return Secret(token) if token else None


def reads_vault(state: Path) -> bool:
    """Whether the task of a state directory has secrets."""
    try:
        return bool(json.loads((state / LAUNCH).read_text()).get("vault"))
    except (OSError, ValueError, AttributeError):
        return False


async def follow_token(handle: Handle, root: Path, passed: Secret | None) -> None:
    """Pass on each token that comes after the one that was `passed`, until the task ends."""
    end = asyncio.ensure_future(handle.wait())
    while not end.done():
        await asyncio.wait({end}, timeout=_LOOK_SECONDS)
        with contextlib.suppress(
            WasmdeployError
        ):  # its file is being changed, or the executor is busy: next time
            token = read_token(root)
            if token is not None and token != passed and not end.done():
                await handle.pass_token(token)
                passed = token
                _LOG.info("task %s has a new Vault token", handle.id)


def _read_below(root: Path, *names: str) -> str:
    """A small file's text, empty where there is none; never through a symbolic link."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    with contextlib.ExitStack() as open_files:
        try:
            descriptor = os.open(root, flags | os.O_DIRECTORY)
            open_files.callback(os.close, descriptor)
            for name in names:
                descriptor = os.open(name, flags, dir_fd=descriptor)
                open_files.callback(os.close, descriptor)
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise SecretError(f"the task's Vault token cannot be read: {error.strerror}") from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise SecretError("the task's Vault token is no regular file")
        return os.read(descriptor, _MAX_TOKEN).decode(errors="replace")
