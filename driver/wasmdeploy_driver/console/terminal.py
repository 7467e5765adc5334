"""A console that somebody types into: a prompt, line editing and history where there is a terminal."""

from __future__ import annotations

import fcntl
import termios

from wasmdeploy_driver.console.shell import Shell
from wasmdeploy_driver.console.streams import Streams

# Readline counts what is between \1 and \2 as of no width.
_PROMPT = "\1\x1b[36m\2{name}>\1\x1b[0m\2 "


def take_terminal() -> None:
    """Make stdin the terminal of this session, so that Ctrl-C and a new size reach who runs in it."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def converse(shell: Shell, name: str) -> None:
    """Read and run lines until the end; there is a history of this conversation."""
    _edit_lines(shell)
    Streams().say(f"The console of {name}: `help` lists its commands.")
    while not shell.over:
        try:
            shell.line(input(_PROMPT.format(name=name)))
        except KeyboardInterrupt:
            Streams().say("^C")
            shell.code = 130
        except (EOFError, OSError):
            return


def run_script(shell: Shell) -> None:
    """Run the lines that come in on stdin."""
    streams = Streams()
    while not shell.over and (line := streams.read_line()):
        shell.line(line.decode(errors="replace"))


def _edit_lines(shell: Shell) -> None:
    try:
        import readline
    except ImportError:  # a Python without it: the terminal's own editing has to do
        return

    def complete(text: str, state: int) -> str | None:
        # Only commands: readline would offer the machine's files where no completer is set.
        matching = [f"{name} " for name in shell.names if name.startswith(text)]
        return matching[state] if state < len(matching) else None

    readline.set_completer(complete)
    readline.parse_and_bind("tab: complete")
