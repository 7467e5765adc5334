"""The plugin's log: hclog's JSON lines, on stderr for the agent and in a file that outlives it."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

_LEVELS = {"DEBUG": "debug", "INFO": "info", "WARNING": "warn", "ERROR": "error", "CRITICAL": "error"}
_MAX_LINE = 32 << 10  # go-plugin cuts a line at 64 KiB, and half a JSON object is noise


def to_stderr() -> None:
    """Send this process's log to the agent."""
    handler = _Quiet(sys.stderr)
    handler.setFormatter(Hclog())
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)


def to_file(path: Path) -> None:
    """Write the log to a file as well; a second call changes nothing."""
    from logging.handlers import RotatingFileHandler

    root = logging.getLogger()
    if any(isinstance(handler, RotatingFileHandler) for handler in root.handlers):
        return
    path.touch(mode=0o600)
    handler = RotatingFileHandler(path, maxBytes=1 << 20, backupCount=1, delay=True)
    handler.setFormatter(Hclog())
    root.addHandler(handler)


class Hclog(logging.Formatter):
    """One JSON object a line; the agent panics when one of these three keys is no string."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as go-hclog writes it."""
        message = record.getMessage()
        if record.exc_info:
            message = f"{message}: {self.formatException(record.exc_info)}"
        at = datetime.fromtimestamp(record.created, UTC)
        line = {
            "@timestamp": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "@level": _LEVELS.get(record.levelname, "info"),
            "@module": "wasm",
            "@message": message[:_MAX_LINE],
        }
        return json.dumps(line)


class _Quiet(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # logging's own name
        """Say nothing: once the agent is dead, stderr is a broken pipe, and the plugin lives on."""
