"""What the user sees: data on stdout, words on stderr, colours only on a terminal."""

from __future__ import annotations

import json
import os
import sys
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


_MARKS = {"ok": "green", "note": "cyan", "warning": "bold yellow", "error": "bold red"}


@dataclass(frozen=True, slots=True)
class Manner:
    """How much is said, and to whom: what --quiet, --verbose, --debug and --json ask for."""

    quiet: bool = False
    verbose: bool = False
    debug: bool = False
    json: bool = False


_manner: ContextVar[Manner] = ContextVar("manner", default=Manner())  # noqa: B039  it is frozen


def manner() -> Manner:
    """How much this run says."""
    return _manner.get()


def behave(start: Manner, **change: bool) -> None:
    """From now on say as much as `start` with `change` does: the options may stand anywhere on the line."""
    _manner.set(replace(start, **change))
    if change.get("verbose"):
        _tell_requests()


def _tell_requests() -> None:
    """One line on stderr for each HTTP request: method, URL and status, never a header or a body."""
    import logging

    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    for library, level in (("httpx", logging.INFO), ("urllib3.connectionpool", logging.DEBUG)):
        logger = logging.getLogger(library)
        logger.handlers[:] = [handler]
        logger.setLevel(level)
        logger.propagate = False


_COLOURS = (31, 32, 33, 34, 35, 36)  # as terminals number them; black and white would vanish on some


class Output:
    """Prints results and progress for one command; `json_mode` turns both into JSON lines on stdout."""

    def __init__(self, json_mode: bool = False, quiet: bool = False) -> None:
        self.json_mode = json_mode
        self.quiet = quiet or manner().quiet
        self._stderr: Console | None = None

    @property
    def words(self) -> Console:
        """The rich console on stderr, made when first used."""
        if self._stderr is None:
            from rich.console import Console

            self._stderr = Console(stderr=True, highlight=False, soft_wrap=True)
        return self._stderr

    def data(self, value: Any) -> None:
        """Print a result to stdout: text as it is, anything else as JSON."""
        text = value if isinstance(value, str) else json.dumps(value, indent=None if self.json_mode else 2)
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        sys.stdout.flush()

    def note(self, text: str) -> None:
        """Say something that is no result."""
        if not self.quiet and not self.json_mode:
            self.words.print(harmless(text), markup=False)

    def event(self, name: str, text: str, **details: Any) -> None:
        """Report one step's progress: a line for people, an object on stdout with `--json`."""
        if self.json_mode:
            self.data({"event": name, "message": text, **details})
        else:
            self.note(text)

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """Show that something takes time: a spinner on a terminal, one line elsewhere."""
        if self.quiet or self.json_mode:
            yield
        elif self.words.is_terminal:
            with self.words.status(text):
                yield
        else:
            self.note(f"{text} …")
            yield

    @contextmanager
    def step(self, name: str, text: str) -> Iterator[None]:
        """One named step of something long: a spinner while it runs on a terminal, a line once it is done."""
        started = time.monotonic()
        if self.json_mode:
            self.data({"event": "step", "step": name, "state": "started", "message": text})
            yield
            self.data(
                {
                    "event": "step",
                    "step": name,
                    "state": "done",
                    "seconds": round(time.monotonic() - started, 1),
                }
            )
            return
        if self.quiet:
            yield
            return
        from rich.markup import escape

        if self.words.is_terminal:
            with self.words.status(escape(f"{name}: {text}")):
                yield
        else:
            yield
        self.note(f"{name:<8} {text} ({time.monotonic() - started:.1f} s)")

    def choice(self, question: str, answers: Sequence[str], default: str) -> str:
        """Ask on a terminal for one of the answers (their first letters will do); elsewhere it is the default."""
        if self.json_mode or not (sys.stdin.isatty() and self.words.is_terminal):
            return default
        shown = "/".join(answers)
        while True:
            self.note(f"{question} [{shown}, default {default}]")
            try:
                given = input().strip().lower()
            except (EOFError, KeyboardInterrupt):
                return default
            found = [answer for answer in answers if given and answer.startswith(given)]
            if found or not given:
                return found[0] if found else default

    def line_of(self, mark: str, text: str) -> None:
        """Print a line of somebody's, with who it is before it: on a terminal in a colour of its own."""
        if sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb":
            colour = _COLOURS[zlib.crc32(mark.encode()) % len(_COLOURS)]
            mark = f"\x1b[{colour}m{mark}\x1b[0m"
        self.data(f"{mark} {harmless(text)}")

    def clear(self) -> None:
        """Make place for what comes anew: an empty terminal, nothing elsewhere."""
        if sys.stdout.isatty() and not self.json_mode:
            sys.stdout.write("\x1b[H\x1b[2J")

    def table(self, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Print aligned columns to stdout (use `data` for the `--json` form)."""
        lines = [tuple(head), *(tuple(harmless(str(cell)) for cell in row) for row in rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        for line in lines:
            self.data("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())

    def marked(self, mark: str, *lines: str) -> None:
        """Print a result on stdout as a mark and some lines below each other, the mark in its colour on a terminal."""
        from rich.console import Console
        from rich.text import Text

        paper = Console(highlight=False, soft_wrap=True)
        first, *rest = (harmless(line) for line in lines if line)
        paper.print(Text.assemble((f"{mark:8}", _MARKS.get(mark, "")), first))
        for line in rest:
            paper.print(Text(f"        {line}", style="dim"))

    def error(self, message: str, hint: str = "") -> None:
        """Print the one line that says what failed, and the next step below it; with `--json` one object on stdout."""
        if self.json_mode:
            self.data({"error": message, "hint": hint})
            return
        from rich.text import Text

        self.words.print(Text.assemble(("error: ", "bold red"), harmless(message)))
        if hint:
            self.words.print(Text.assemble(("hint: ", "bold"), harmless(hint)))


def forget_stdout() -> None:
    """Give up what could not be written to stdout: Python would try again at the process's end, and complain."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


def harmless(text: str) -> str:
    """The text without control characters that would steer a terminal: files and manifests may hold them."""
    return "".join(char if char.isprintable() or char in "\n\t" else "\ufffd" for char in text)
