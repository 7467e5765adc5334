"""The command line of an app under the wasmtime CLI, and what is refused because it could not be kept."""

from __future__ import annotations

import pytest

from wasmdeploy_driver.errors import ConfigError, GuestError
from wasmdeploy_driver.executor.external.child import in_one_line
from wasmdeploy_driver.executor.external.command import external_component, serve_arguments
from wasmdeploy_driver.guest.binary import Binary, require_served
from wasmdeploy_driver.guest.preopen import Preopen
from wasmdeploy_driver.secrets import Secret
from wasmdeploy_driver.task import Component, Limits, Task, Variable
from wasmdeploy_driver.variables import Values

SERVED = Binary(True, ("wasi:io/streams@0.2.6",), ("wasi:http/incoming-handler@0.2.6",))
ASYNC = Binary(True, ("wasi:http/types@0.3.0",), ("wasi:http/handler@0.3.0",))


def component(**parts: object) -> Component:
    """A component that takes everything."""
    return Component("web", "web.wasm", **{"route": ("/...",), "engine": "wasmtime", **parts})


def arguments(each: Component, binary: Binary = SERVED, *preopens: Preopen, **limits: object) -> list[str]:
    """The arguments of an app with a plain variable and a secret."""
    variables = (Variable("word", "Hello"), Variable("token", secret=True))
    task = Task("app", component=(each,), variable=variables, limits=Limits(**limits))
    values = Values({"word": Secret("Hello"), "token": Secret("hidden")})
    return serve_arguments(task, each, binary, values, preopens)


def following(found: list[str], option: str) -> list[str]:
    """The values of an option that may be given more than once."""
    return [found[at + 1] for at, each in enumerate(found) if each == option]


def test_limits() -> None:
    """Memory, tables and time are the task's; a limit of time needs code that can be interrupted."""
    found = following(arguments(component(), memory_mb=10, timeout="1m30s"), "-W")
    expected = {"max-memory-size=10485760", "timeout=90000ms", "epoch-interruption=y"}
    assert expected <= set(found)
    unbounded = following(arguments(component(), timeout="0"), "-W")
    assert "epoch-interruption=n" in unbounded
    assert not any(each.startswith("timeout") for each in unbounded)


def test_more_limits() -> None:
    """Fuel, instances and requests at once are wasmtime's own."""
    found = arguments(component(), SERVED, fuel=7, table_entries=9, instances=3, concurrency=5)
    assert {"fuel=7", "max-table-elements=9", "max-instances=3"} <= set(following(found, "-W"))
    assert following(found, "--max-concurrent-requests") == ["5"]


@pytest.mark.parametrize(
    "limits",
    [{"cpu_time": "1s"}, {"request_bytes": 1}, {"response_bytes": 1}, {"queue": 1}, {"outbound_calls": 1}],
)
def test_limits_that_nobody_would_keep(limits: dict[str, object]) -> None:
    """A limit that wasmtime does not know is refused, not ignored."""
    with pytest.raises(ConfigError, match=f"limits.{next(iter(limits))}"):
        arguments(component(), SERVED, **limits)


@pytest.mark.parametrize("binary", [SERVED, ASYNC])
def test_a_fresh_instance_for_each_request(binary: Binary) -> None:
    """WASI 0.3 guests are fresh too, whose instances wasmtime would use again by itself."""
    found = arguments(component(), binary)
    assert following(found, "--max-instance-reuse-count") == ["1"]
    assert following(found, "--max-instance-concurrent-reuse-count") == ["1"]


def test_instances_that_stay() -> None:
    """`isolation = "instance"` gives wasmtime the task's counts."""
    found = arguments(component(isolation="instance", max_requests=7, max_idle="2s"))
    assert following(found, "--max-instance-reuse-count") == ["7"]
    assert following(found, "--idle-instance-timeout") == ["2000ms"]


def test_wasi_03_is_switched_on() -> None:
    """A WASI 0.3 guest gets the flags it needs, another does not depend on them."""
    assert "p3=y" in following(arguments(component(), ASYNC), "-S")
    assert "p3=y" not in following(arguments(component()), "-S")


def test_environment_and_variables() -> None:
    """Both are filled in; wasi:config has the variables."""
    found = arguments(component(environment={"A": "{{ word }}, =x"}, variables={"b": "<{{ word }}>"}))
    assert following(found, "--env") == ["A=Hello, =x"]
    assert "config-var=b=<Hello>" in following(found, "-S")


def test_directories() -> None:
    """A directory is passed as it was opened."""
    found = arguments(component(), SERVED, Preopen(11, "/data", False))
    assert following(found, "--dir") == ["/proc/self/fd/11::/data"]


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"environment": {"A": "x{{ token }}"}}, "environment.A: 'token' is a secret"),
        ({"variables": {"a": "{{token}}"}}, "variables.a: 'token' is a secret"),
        ({"variables": {"a": "x,p3=n"}}, "no value with a comma"),
        ({"variables": {"a": "{{ nothing }}"}}, "no variable 'nothing'"),
        ({"isolation": "process"}, "isolation"),
    ],
)
def test_what_the_command_line_cannot_keep(parts: dict[str, object], words: str) -> None:
    """What would be shown, cut in two or ignored is refused, and no secret is in the words."""
    with pytest.raises(ConfigError, match=words) as caught:
        arguments(component(**parts))
    assert "hidden" not in caught.value.message


def test_a_read_only_directory() -> None:
    """wasmtime's command line has none."""
    with pytest.raises(ConfigError, match="cannot refuse writes"):
        arguments(component(), SERVED, Preopen(11, "/data", True))


@pytest.mark.parametrize(
    "name",
    ["wasi:http/outgoing-handler@0.2.3", "wasi:http/client@0.3.0", "wasi:http/handler@0.3.1"],
)
def test_outgoing_requests(name: str) -> None:
    """A guest that could call out runs only where it may call everything: nothing here enforces a list."""
    binary = Binary(True, (name,), SERVED.exports)
    for hosts in ((), ("https://a.test",)):
        with pytest.raises(ConfigError, match=name):
            arguments(component(allowed_outbound_hosts=hosts), binary)
        arguments(component(allowed_outbound_hosts=hosts))
    arguments(component(allowed_outbound_hosts=("*://*:*",)), binary)


@pytest.mark.parametrize("host", ["tcp://db.test:5432", "udp://*:53", "redis://10.0.0.0/8"])
def test_sockets(host: str) -> None:
    """It has none, and whoever counts on them is told; the wildcard is for requests."""
    with pytest.raises(ConfigError, match="has none under it"):
        arguments(component(allowed_outbound_hosts=("*://*:*", host)))
    assert not any("network" in each for each in arguments(component(allowed_outbound_hosts=("*://*:*",))))


@pytest.mark.parametrize(
    ("components", "words"),
    [
        ((component(engine="v8"),), "'v8' is not"),
        ((component(route=("/api/...",)),), "this component alone"),
        ((component(), Component("other", "o.wasm", route=("/o",))), "this component alone"),
        ((component(executor="wagi"),), "no WAGI"),
    ],
)
def test_an_app_that_it_cannot_be(components: tuple[Component, ...], words: str) -> None:
    """One component takes all requests, or another engine is needed."""
    with pytest.raises(ConfigError, match=words):
        external_component(Task("app", component=components))


def test_other_apps() -> None:
    """An app without the key runs in this process."""
    assert external_component(Task("app", component=(component(engine=""),))) is None


@pytest.mark.parametrize(
    "binary",
    [
        Binary(False, (), ("_start",)),
        Binary(True, (), ("wasi:cli/run@0.2.0",)),
        Binary(True, (), ("fermyon:spin/inbound-http",)),
    ],
)
def test_what_it_cannot_serve(binary: Binary) -> None:
    """Only wasi:http's own handlers are served."""
    require_served(SERVED, "x")
    require_served(ASYNC, "x")
    with pytest.raises(GuestError, match="x exports neither"):
        require_served(binary, "x")


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (b"", "it said nothing"),
        (b"error: unexpected argument '--x' found\n", "unexpected argument '--x' found"),
        (b"Error: failed\n\nCaused by:\n    0: half\n    1: the reason\n", "failed: the reason"),
    ],
)
def test_what_wasmtime_says(said: bytes, line: str) -> None:
    """An error of several lines becomes one: what failed, and the innermost cause."""
    assert in_one_line(said) == line
