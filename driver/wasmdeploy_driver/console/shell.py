"""`Shell`: runs lines of the console, one statement after the other."""

from __future__ import annotations

from collections.abc import Sequence

from wasmdeploy_driver.console.app import APP
from wasmdeploy_driver.console.command import Command, Place
from wasmdeploy_driver.console.files import FILES
from wasmdeploy_driver.console.line import Statement, parse
from wasmdeploy_driver.console.module import MODULE
from wasmdeploy_driver.console.plain import PLAIN
from wasmdeploy_driver.console.streams import Streams
from wasmdeploy_driver.errors import WasmdeployError

NOT_FOUND = 127
_SYNTAX = 2
_COMMANDS = (*APP, *FILES, MODULE, *PLAIN)


class Shell:
    """Runs commands for one task; `code` is how the last one ended, `over` whether `exit` was one of them."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._commands = {command.name: command for command in _COMMANDS}
        self.code = 0
        self.over = False

    @property
    def names(self) -> list[str]:
        """What can be typed."""
        return sorted((*self._commands, "exit", "help"))

    def line(self, text: str) -> None:
        """Run a line; what goes wrong is told on stderr."""
        try:
            statements = parse(text)
        except WasmdeployError as error:
            Streams().complain(f"{error.message} ({error.hint})")
            self.code = _SYNTAX
            return
        for statement in statements:
            if self._is_due(statement):
                self.run(statement.words, Streams(2 if statement.to_stderr else 1))
            if self.over:
                return

    def _is_due(self, statement: Statement) -> bool:
        return statement.when == "always" or (statement.when == "success") == (self.code == 0)

    def run(self, words: Sequence[str], streams: Streams) -> None:
        """Run one command whose words are given as they are."""
        name, *arguments = words
        if name == "exit":
            self._exit(arguments, streams)
        elif name == "help":
            self.code = self._help(arguments, streams)
        elif (command := self._commands.get(name)) is None:
            streams.complain(f"{name}: there is no such command; this is the app's console, see `help`")
            self.code = NOT_FOUND
        else:
            self.code = self._call(command, streams, arguments)

    def _call(self, command: Command, streams: Streams, arguments: Sequence[str]) -> int:
        try:
            return command.run(self._place, streams, arguments)
        except WasmdeployError as error:
            streams.complain(f"{error.message} ({error.hint})" if error.hint else error.message)
        except BrokenPipeError:
            self.over = True
        except Exception as error:  # noqa: BLE001  # a bug of ours costs a line, not the console
            streams.complain(f"{command.name}: {type(error).__name__}: {error}")
        return 1

    def _exit(self, arguments: Sequence[str], streams: Streams) -> None:
        if arguments and not (arguments[0].isascii() and arguments[0].isdecimal()):
            streams.complain("usage: exit [CODE]")
            self.code = _SYNTAX
            return
        self.code = int(arguments[0]) & 0xFF if arguments else self.code
        self.over = True

    def _help(self, arguments: Sequence[str], streams: Streams) -> int:
        asked = [self._commands[name] for name in arguments if name in self._commands]
        if arguments and not asked:
            streams.complain(f"help: there is no command {arguments[0]}")
            return 1
        width = max(len(command.usage) for command in _COMMANDS if len(command.usage) < 40)
        for command in asked or _COMMANDS:
            streams.say(f"{command.usage:{width}}  {command.about}")
        if not asked:
            streams.say(f"{'exit [CODE]':{width}}  end the console")
            streams.say("Join commands with ; && ||, and send what one prints to stderr with >&2.")
        return 0
