"""Commands that show the app: its routes, variables and limits, what it does now, and what it answers."""

from __future__ import annotations

import http.client
from collections.abc import Sequence
from typing import Any

from wasmdeploy_driver.console.command import Command, Place, printable, wrong
from wasmdeploy_driver.console.streams import Streams
from wasmdeploy_driver.errors import ConfigError, ExecutorError
from wasmdeploy_driver.executor.control import call

_INSPECT_SECONDS = 10.0
_ANSWER_SECONDS = 300.0
_MOST_BODY = 64 << 20
_INVOKE = "invoke [-i] METHOD PATH [-H 'NAME: VALUE']… [-d BODY | -d @-]"


def _routes(place: Place, streams: Streams, _arguments: Sequence[str]) -> int:
    task = place.launch.task
    if task.module:
        streams.say(f"{task.module} is a command: it has no routes")
        return 0
    width = max((len(component.name) for component in task.component), default=0)
    for component in task.component:
        for route in component.route:
            streams.say(f"{printable(component.name):{width}}  {printable(route)}")
    return 0


def _variables(place: Place, streams: Streams, _arguments: Sequence[str]) -> int:
    for variable in sorted(place.launch.task.variable, key=lambda each: each.name):
        shown = "[redacted]" if variable.secret else printable(variable.value or "")
        streams.say(f"{printable(variable.name)} = {shown}")
    return 0


def _limits(place: Place, streams: Streams, _arguments: Sequence[str]) -> int:
    limits, cgroup = place.launch.task.limits, place.launch.cgroup
    streams.say(f"memory of one guest   {limits.memory_mb} MiB")
    if place.launch.task.http is not None:
        streams.say(f"time of one request   {'none' if limits.timeout == '0' else limits.timeout}")
    memory = f"{cgroup.memory_bytes >> 20} MiB" if cgroup and cgroup.memory_bytes else "none"
    streams.say(f"memory of the task    {memory}")
    if cgroup and cgroup.cpu_shares:
        streams.say(f"cpu of the task       {cgroup.cpu_shares} shares")
    return 0


def _stats(place: Place, streams: Streams, _arguments: Sequence[str]) -> int:
    facts = _inspect(place)
    width = max(map(len, facts)) + 2
    for name, fact in facts.items():
        shown = ", ".join(map(str, fact)) if isinstance(fact, list) else str(fact)
        streams.say(f"{name.replace('_', ' '):{width}}{printable(shown)}")
    return 0


def _invoke(place: Place, streams: Streams, arguments: Sequence[str]) -> int:
    """2xx and 3xx are 0, 4xx is 1, the rest 2: what script checks call passing, warning and critical."""
    method, path, headers, body, show_head = _request(streams, arguments)
    host, _, port = str(_inspect(place).get("listen", "")).rpartition(":")
    if not port:
        raise ConfigError("this task listens nowhere: it is a command")
    connection = http.client.HTTPConnection(_reachable(host), int(port), timeout=_ANSWER_SECONDS)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        if show_head:
            streams.say(f"{answer.status} {printable(answer.reason)}")
            for name, value in answer.getheaders():
                streams.say(f"{printable(name)}: {printable(value)}")
            streams.say("")
        while part := answer.read(65536):
            streams.write(part)
    except (OSError, http.client.HTTPException, ValueError) as error:
        streams.complain(f"invoke: {method} {path}: {str(error) or type(error).__name__}")
        return 2
    finally:
        connection.close()
    if answer.status < 400:
        return 0
    streams.complain(f"invoke: the app answered {answer.status} {printable(answer.reason)}")
    return 1 if answer.status < 500 else 2


def _request(
    streams: Streams, arguments: Sequence[str]
) -> tuple[str, str, dict[str, str], bytes | None, bool]:
    given, plain, headers = list(arguments), [], {}
    body, show_head = None, False
    while given:
        argument = given.pop(0)
        if argument == "-i":
            show_head = True
        elif argument in ("-d", "-H") and given:
            value = given.pop(0)
            if argument == "-d":
                body = streams.read_all(_MOST_BODY) if value == "@-" else value.encode(errors="replace")
            else:
                name, _, text = value.partition(":")
                headers[name.strip()] = text.strip()
        else:
            plain.append(argument)
    if len(plain) != 2 or not plain[0].isalpha() or not plain[1].startswith("/"):
        raise wrong(_INVOKE)
    return plain[0].upper(), plain[1], headers, body, show_head


def _reachable(host: str) -> str:
    return "127.0.0.1" if host in ("", "0.0.0.0") else host.strip("[]")  # noqa: S104  # everywhere is here too


def _inspect(place: Place) -> dict[str, Any]:
    try:
        return call(place.state, {"call": "inspect"}, _INSPECT_SECONDS)
    except ExecutorError as error:
        raise ExecutorError(f"the task does not answer: {error.message}") from error


APP = (
    Command("routes", "routes", "which component answers which path", _routes),
    Command("invoke", _INVOKE, "ask the app; exit code 1 for 4xx, 2 for 5xx or no answer", _invoke),
    Command("variables", "variables", "the app's variables; secrets stay hidden", _variables),
    Command("limits", "limits", "what a guest and the task may use", _limits),
    Command("stats", "stats", "what the task does now", _stats),
)
