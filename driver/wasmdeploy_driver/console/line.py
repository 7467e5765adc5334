"""A line of the console as statements: a small part of what a shell reads, and nothing that would surprise.

    line        statement ((";" | "&&" | "||") statement)*
    statement   words and at most one ">&2", which sends what it prints to stderr

A word may be quoted as in a shell; `#` before a word begins a comment. What a shell would expand or start ($, `, *, |,
<, >, &, parentheses) is an error rather than taken for plain text; a quoted one is plain text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from wasmdeploy_driver.errors import ConfigError

When = Literal["always", "success", "failure"]


@dataclass(frozen=True, slots=True)
class Statement:
    """A command with its arguments, and `when` it runs, by how the one before has ended."""

    words: tuple[str, ...]
    when: When = "always"
    to_stderr: bool = False


_WHEN: dict[str, When] = {";": "always", "&&": "success", "||": "failure"}
_TOKEN = re.compile(
    r"""\s+ | \#.* | (?P<to>1?>&(?P<stream>[12])) | (?P<next>;|&&|\|\|)
    | (?P<word>(?: '[^']*' | "(?:[^"\\]|\\.)*" | \\. | [^\s'"\\;&|<>()$`*?] )+)""",
    re.VERBOSE | re.DOTALL,
)
_PART = re.compile(r"""'([^']*)' | "((?:[^"\\]|\\.)*)" | \\(.) | ([^'"\\]+)""", re.VERBOSE | re.DOTALL)
_ESCAPED = re.compile(r'\\([\\"$`])')


def parse(line: str) -> tuple[Statement, ...]:
    """The line's statements; raises ConfigError for what the console does not understand."""
    statements: list[Statement] = []
    words: list[str] = []
    when: When = "always"
    to_stderr = False
    at = 0
    while at < len(line):
        token = _TOKEN.match(line, at)
        if token is None:
            raise ConfigError(f"{line[at : at + 20]!r}: this console has no such syntax", _HINT)
        at = token.end()
        if token["word"]:
            words.append(_unquoted(token["word"]))
        elif token["to"]:
            to_stderr = token["stream"] == "2"
        elif token["next"]:
            if not words:
                raise ConfigError(f"{token['next']!r}: a command is missing before it", _HINT)
            statements.append(Statement(tuple(words), when, to_stderr))
            words, when, to_stderr = [], _WHEN[token["next"]], False
    if words:
        statements.append(Statement(tuple(words), when, to_stderr))
    elif when != "always":
        raise ConfigError("a command is missing at the end", _HINT)
    return tuple(statements)


_HINT = "it is no shell: `help` lists its commands; put '…' around what is meant as it stands"


def _unquoted(word: str) -> str:
    parts = []
    for single, double, escaped, plain in _PART.findall(word):
        if re.search(r"(?<!\\)[$`]", double):
            raise ConfigError(f'"{double}": this console expands nothing', _HINT)
        parts.append(single + _ESCAPED.sub(r"\1", double) + escaped + plain)
    return "".join(parts)
