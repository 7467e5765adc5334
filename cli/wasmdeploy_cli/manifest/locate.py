"""Where each key of a TOML document stands, so that an error can name its line.

The standard library's parser gives values without positions, tomlkit keeps none, and what gives both
(spanned-toml, a fork of an old tomli) is not kept up. So `tomllib` stays the judge of what is valid, and
this scanner only walks a text that `tomllib` has accepted: it needs to tell keys from strings and brackets,
nothing more.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

Path = tuple[str | int, ...]

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STRINGS = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}|' r"'''.*?'{3,5}|" r'"(?:[^"\\\n]|\\.)*"|' r"'[^'\n]*'",
    re.DOTALL,
)
_SPACE = re.compile(r"[ \t]*")
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SCALAR = re.compile(r"[^,\]}#\n]*")


def key_lines(text: str) -> dict[Path, int]:
    """The line (from 1) of each table, key and array element of a valid TOML document, by its path."""
    return _Scanner(text).document()


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[Path, int] = {}
        self.tables: dict[Path, int] = {}  # array of tables: index of its newest entry

    def document(self) -> dict[Path, int]:
        table: Path = ()
        while self.skip(_BLANK) and self.at < len(self.text):
            if self.text[self.at] == "[":
                table = self.header()
            else:
                self.pair(table)
        return self.lines

    def header(self) -> Path:
        line = self.line()
        array = self.text.startswith("[[", self.at)
        self.at += 2 if array else 1
        path: Path = ()
        keys = list(self.keys())
        for number, key in enumerate(keys, 1):
            path = (*path, key)
            self.lines.setdefault(path, line)
            if array and number == len(keys):
                self.tables[path] = self.tables.get(path, -1) + 1
                self.forget_below((*path, self.tables[path]))
            if path in self.tables:
                path = (*path, self.tables[path])
                self.lines.setdefault(path, line)
        self.at += 2 if array else 1
        return path

    def forget_below(self, entry: Path) -> None:
        for path in [path for path in self.tables if path[: len(entry)] == entry]:
            del self.tables[path]

    def pair(self, table: Path) -> None:
        line = self.line()
        path = table
        for key in self.keys():
            path = (*path, key)
            self.lines.setdefault(path, line)
        self.at += 1  # the equals sign
        self.value(path)

    def keys(self) -> Iterator[str]:
        while True:
            self.skip(_SPACE)
            if match := _BARE_KEY.match(self.text, self.at):
                yield match.group()
            else:
                match = _STRINGS.match(self.text, self.at)
                assert match is not None  # noqa: S101  # tomllib has accepted the text
                yield tomllib.loads(f"key = {match.group()}")["key"]
            self.at = match.end()
            self.skip(_SPACE)
            if self.text[self.at] != ".":
                return
            self.at += 1

    def value(self, path: Path) -> None:
        self.skip(_SPACE)
        if self.text.startswith("{", self.at):
            self.members("}", path)
        elif self.text.startswith("[", self.at):
            self.members("]", path)
        elif match := _STRINGS.match(self.text, self.at):
            self.at = match.end()
        else:
            self.skip(_SCALAR)

    def members(self, close: str, path: Path) -> None:
        self.at += 1
        index = 0
        while self.skip(_BLANK) and self.text[self.at] != close:
            if close == "}":
                self.pair(path)
            else:
                self.lines[(*path, index)] = self.line()
                self.value((*path, index))
            index += 1
            self.skip(_BLANK)
            if self.text[self.at] == ",":
                self.at += 1
        self.at += 1

    def skip(self, pattern: re.Pattern[str]) -> bool:
        match = pattern.match(self.text, self.at)
        self.at = match.end() if match else self.at
        return True

    def line(self) -> int:
        return self.text.count("\n", 0, self.at) + 1
