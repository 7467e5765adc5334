"""Sockets of guests: what the allow-list names is reached, whatever a guest tries beside it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from tests.driver.executor_process import PATIENCE, Executor, app, until
from tests.driver.guests import GUESTS
from tests.driver.renamed import renamed
from tests.driver.rust_guests import rust_guest
from tests.driver.socket_servers import TOGETHER, Servers, servers
from wasmdeploy_cli.componentize import componentize
from wasmdeploy_driver.errors import ConfigError, ExecutorError
from wasmdeploy_driver.executor.outbound import opens_sockets
from wasmdeploy_driver.guest import capi
from wasmdeploy_driver.task import Task

pytestmark = pytest.mark.guests

Try = Callable[..., str]
ISOLATION = ("request", "instance")


@pytest.fixture(scope="module")
def around() -> Iterator[Servers]:
    """Servers on loopback, of which the rules name one over TCP and one over UDP."""
    with servers() as running:
        yield running


def rules(around: Servers) -> tuple[str, ...]:
    """What the guests may reach: any public address, and a server over TCP and one over UDP on loopback."""
    ports = (around.tcp, around.together)
    return ("*://*:*", *(f"tcp://127.0.0.1:{port}" for port in ports), f"udp://127.0.0.1:{around.udp}")


@pytest.fixture(scope="module", params=ISOLATION)
def rust(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, around: Servers
) -> Iterator[Executor]:
    """The guest in Rust, in both isolation modes."""
    source = rust_guest("rust-sockets")
    task = app(source, isolation=request.param, allowed_outbound_hosts=rules(around))
    with Executor(tmp_path_factory.mktemp("rust"), task, source) as executor:
        yield executor.start()


@pytest.fixture
def do(rust: Executor) -> Try:
    """Has the guest in Rust do something."""
    return lambda action, target="": rust.request(f"/{action}?{target}")[2].decode()


@pytest.fixture(scope="module")
def python_component(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The guest in Python, built as its user builds it."""
    output = tmp_path_factory.mktemp("built") / "python-sockets.wasm"
    componentize("app", output, [GUESTS / "python-sockets"])
    return output


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a Redis server on loopback."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("there is no redis-server here")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with subprocess.Popen(command, cwd=tmp_path_factory.mktemp("redis"), stdout=subprocess.DEVNULL) as server:

        def answers() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        until(answers)
        yield port
        server.terminate()


@pytest.fixture(scope="module", params=ISOLATION)
def python(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    python_component: Path,
    around: Servers,
) -> Iterator[Executor]:
    """The guest in Python, in both isolation modes."""
    task = app(python_component, isolation=request.param, allowed_outbound_hosts=rules(around))
    with Executor(tmp_path_factory.mktemp("python"), task, python_component) as executor:
        yield executor.start()


def asked(python: Executor, path: str, target: str) -> str:
    """What the guest in Python says."""
    status, _, body = python.request(f"/{path}?to={target}")
    assert status == 200
    return body.decode()


def test_what_is_listed_is_reached(do: Try, around: Servers) -> None:
    """TCP, and UDP with and without a connection; again in the next request."""
    # Any name may be looked up; the address of this one is listed.
    assert do("tcp", f"localhost:{around.tcp}") == "echo ping"
    for _ in range(2):
        assert do("tcp", f"127.0.0.1:{around.tcp}") == "echo ping"
        assert do("udp", f"127.0.0.1:{around.udp}") == "echo ping"
        assert do("udp-connected", f"127.0.0.1:{around.udp}") == "echo ping"


def test_engine_processes_have_the_same_rules(rust: Executor, do: Try, around: Servers) -> None:
    """Guests that wait for each other run in several processes; what is not listed is refused there, too."""
    with ThreadPoolExecutor(TOGETHER) as pool:
        said = pool.map(lambda _: do("tcp", f"127.0.0.1:{around.together}"), range(TOGETHER))
        assert set(said) == {"echo ping"}
    assert rust.engines()  # they come before the thread, now that they are there
    assert do("tcp", f"127.0.0.1:{around.other_tcp}") == "PermissionDenied"


@pytest.mark.parametrize(
    ("action", "target", "said"),
    [
        ("tcp", "127.0.0.1:{0.other_tcp}", "PermissionDenied"),
        ("tcp", "127.0.0.1:{0.udp}", "PermissionDenied"),
        ("tcp", "127.0.0.2:{0.tcp}", "PermissionDenied"),
        ("tcp", "localhost:{0.other_tcp}", "PermissionDenied"),
        ("tcp", "169.254.169.254:80", "PermissionDenied"),
        ("tcp", "10.0.0.1:80", "PermissionDenied"),
        ("tcp", "[::1]:{0.tcp}", "PermissionDenied"),
        ("udp", "127.0.0.1:{0.other_udp}", "PermissionDenied"),
        ("udp", "127.0.0.1:{0.tcp}", "PermissionDenied"),
        ("udp-connected", "127.0.0.1:{0.other_udp}", "PermissionDenied"),
        ("udp", "255.255.255.255:{0.udp}", "PermissionDenied"),
        ("raw-tcp", "127.0.0.1:{0.other_tcp}", "access-denied"),
        ("raw-tcp", "[::ffff:127.0.0.2]:{0.tcp}", "access-denied"),
        ("raw-tcp", "[::ffff:169.254.169.254]:80", "access-denied"),
        ("raw-tcp", "[64:ff9b::7f00:1]:{0.tcp}", "access-denied"),
        ("raw-tcp", "[fe80::1%2]:{0.tcp}", "access-denied"),
        ("raw-tcp", "0.0.0.0:{0.tcp}", "access-denied"),
        # Allowed as what it stands for, and refused by the host, which takes it on no socket.
        ("raw-tcp", "[::ffff:127.0.0.1]:{0.tcp}", "invalid-argument"),
        ("raw-stream", "127.0.0.1:{0.udp}", "connected"),
        ("raw-stream", "127.0.0.1:{0.other_udp}", "access-denied"),
        ("raw-stream", "[::ffff:127.0.0.2]:{0.udp}", "access-denied"),
        ("raw-send", "127.0.0.1:{0.udp}", "sent 1"),
        ("raw-send", "127.0.0.1:{0.other_udp}", "access-denied"),
        ("raw-send-both", "127.0.0.1:{0.udp},127.0.0.1:{0.other_udp}", "sent 1, then access-denied"),
        ("raw-send-past", "127.0.0.1:{0.udp},127.0.0.1:{0.other_udp}", "access-denied"),
        ("listen", "tcp+127.0.0.1:0", "PermissionDenied"),
        ("listen", "tcp+0.0.0.0:0", "PermissionDenied"),
        ("listen", "udp+127.0.0.1:0", "PermissionDenied"),
        ("listen", "udp+0.0.0.0:5353", "PermissionDenied"),
        ("raw-bind", "0.0.0.0:0", "tcp access-denied, udp bound"),
        ("raw-bind", "[::]:0", "tcp access-denied, udp bound"),
        ("raw-bind", "127.0.0.1:0", "tcp access-denied, udp access-denied"),
        ("raw-bind", "0.0.0.0:5353", "tcp access-denied, udp access-denied"),
        ("raw-listen", "", "access-denied"),
        ("raw-lookup", "web.spin.internal", "permanent-resolver-failure"),
        ("raw-lookup", "127.1", "permanent-resolver-failure"),
    ],
)
def test_what_is_not_listed_is_refused(do: Try, around: Servers, action: str, target: str, said: str) -> None:
    """By every way into wasi:sockets, and nothing of it arrives."""
    unlisted = around.heard[around.other_tcp], around.heard[around.other_udp]
    assert do(action, target.format(around)) == said
    assert unlisted == ([], [])


def test_who_is_not_listed_is_not_heard(do: Try, around: Servers) -> None:
    """The first datagram comes from a stranger, the second from the server: a socket of a client is no server."""
    assert do("hear", f"127.0.0.1:{around.udp}") == "echo knock"


def test_a_guest_has_so_many_sockets(do: Try, around: Servers) -> None:
    """They are descriptors of a process that others use, too; those that are closed count no more."""
    assert do("many", f"127.0.0.1:{around.tcp}").startswith("64, then ")
    assert do("many", f"127.0.0.1:{around.tcp}").endswith("; echo ping")


@pytest.mark.parametrize("isolation", ISOLATION)
def test_a_request_opens_so_many(tmp_path: Path, around: Servers, isolation: str) -> None:
    """`outbound_calls` counts the connections of each request."""
    source = rust_guest("rust-sockets")
    task = app(source, isolation=isolation, allowed_outbound_hosts=rules(around))
    task = replace(task, limits=replace(task.limits, outbound_calls=3))
    with Executor(tmp_path, task, source) as executor:
        executor.start()
        for _ in range(2):
            said = executor.request(f"/many?127.0.0.1:{around.tcp}")[2]
            assert said == b"3, then PermissionDenied; PermissionDenied"


@pytest.mark.parametrize(
    ("language", "path", "refused"),
    [("rust", "/tcp?", b"PermissionDenied"), ("python", "/tcp?to=", b"PermissionError")],
)
def test_a_guest_that_waits_for_a_server(
    tmp_path: Path, python_component: Path, language: str, path: str, refused: bytes
) -> None:
    """Nothing interrupts it, so it runs in a process, which is killed past its limit; only its request fails."""
    source = rust_guest("rust-sockets") if language == "rust" else python_component
    with socket.create_server(("127.0.0.1", 0)) as mute:
        target = f"127.0.0.1:{mute.getsockname()[1]}"
        task = app(source, timeout="2s", allowed_outbound_hosts=(f"tcp://{target}",))
        with Executor(tmp_path, task, source) as executor:
            executor.start()
            for _ in range(2):
                assert executor.request(f"{path}{target}")[0] == 504
                until(lambda: executor.call("inspect")["in_flight"] == 0)
            assert executor.request(f"{path}127.0.0.1:1")[2] == refused


@pytest.mark.parametrize(
    ("path", "target", "said"),
    [
        ("tcp", "127.0.0.1:{0.tcp}", "echo ping"),
        ("udp", "127.0.0.1:{0.udp}", "echo ping"),
        ("udp-connected", "127.0.0.1:{0.udp}", "echo ping"),
        ("tcp", "127.0.0.1:{0.other_tcp}", "PermissionError"),
        ("tcp", "localhost:{0.tcp}", "echo ping"),
        ("tcp", "localhost:{0.other_tcp}", "PermissionError"),
        ("udp", "127.0.0.1:{0.other_udp}", "PermissionError"),
        ("udp-connected", "127.0.0.1:{0.other_udp}", "PermissionError"),
        ("bind", "127.0.0.1:0", "PermissionError"),
        ("bind", "0.0.0.0:0", "PermissionError"),
        ("bind-udp", "127.0.0.1:0", "PermissionError"),
        ("lookup", "web.spin.internal", "gaierror"),
    ],
)
def test_python(python: Executor, around: Servers, path: str, target: str, said: str) -> None:
    """Python's own `socket`, in a guest as `wasmdeploy componentize` builds it."""
    assert asked(python, path, target.format(around)) == said


@pytest.mark.parametrize("isolation", ISOLATION)
def test_redis(tmp_path: Path, python_component: Path, redis: int, isolation: str) -> None:
    """A Python guest talks to a real Redis, by a connection for each request."""
    allowed = (f"redis://localhost:{redis}",)
    with Executor(
        tmp_path, app(python_component, isolation=isolation, allowed_outbound_hosts=allowed), python_component
    ) as executor:
        executor.start()
        assert asked(executor, "redis", f"127.0.0.1:{redis}") == "PermissionError"  # it is listed by its name
        for _ in range(3):
            assert asked(executor, "redis", f"localhost:{redis}") == "+OK :42 42"


@pytest.mark.parametrize("allowed", [(), ("http://127.0.0.1:*",)])
def test_without_a_rule_for_sockets(
    tmp_path: Path, around: Servers, python_component: Path, allowed: tuple[str, ...]
) -> None:
    """Guests import sockets whether they use them or not: they run, and each is refused."""
    task = app(python_component, allowed_outbound_hosts=allowed)
    with Executor(tmp_path, task, python_component) as executor:
        executor.start()
        # Python looks up addresses, too.
        assert asked(executor, "tcp", f"127.0.0.1:{around.tcp}") == "gaierror"
        assert asked(executor, "udp", f"127.0.0.1:{around.udp}") == "PermissionError"
        assert asked(executor, "lookup", "localhost") == "gaierror"


def test_a_guest_that_names_another_version(tmp_path: Path, around: Servers) -> None:
    """A host takes any number and any build of 0.2 for its own; none of them leads past the adapter."""
    source = tmp_path / "guest.wasm"
    plain = rust_guest("rust-sockets").read_bytes()
    for number, version in enumerate(("0.2.12+x", "0.2.99999999999", "0.2.12+0.2.0-rc")):
        source.write_bytes(renamed(plain, "wasi:sockets/", version))
        directory = tmp_path / str(number)
        directory.mkdir()
        with Executor(directory, app(source, allowed_outbound_hosts=rules(around)), source) as executor:
            executor.start()
            assert executor.request(f"/tcp?127.0.0.1:{around.tcp}")[2] == b"echo ping"
            assert executor.request(f"/tcp?127.0.0.1:{around.other_tcp}")[2] == b"PermissionDenied"


@pytest.mark.parametrize("rule", ["tcp://a:1", "redis://a", "*://*:*", "{{ rule }}"])
def test_where_sockets_cannot_be_opened(monkeypatch: pytest.MonkeyPatch, rule: str) -> None:
    """Whoever counts on them is told; a list that is for requests, too, is for these alone."""
    assert opens_sockets((rule,), "it")  # else wasmtime is not the release that `capi` was written for
    monkeypatch.setattr(capi, "can_open_network", lambda: False)
    if rule[0] in "*{":
        assert not opens_sockets((rule,), "it")
    else:
        with pytest.raises(ExecutorError, match="it has rules for sockets"):
            opens_sockets((rule,), "it")


def run_command(*arguments: str | Path, allow: tuple[str, ...], hosts: Path | None = None) -> str:
    """What the guest in Rust says as a command, with other names in /etc/hosts where they are given."""
    tool = Path(sys.executable).with_name("wasmdeploy")
    options = [part for rule in allow for part in ("--allow", rule)]
    command = [tool, "run", *options, rust_guest("rust-sockets"), *arguments]
    if hosts is not None:
        command = [
            "unshare",
            "--mount",
            "sh",
            "-c",
            'mount --bind "$0" /etc/hosts && exec "$@"',
            hosts,
            *command,
        ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_command(around: Servers) -> None:
    """`wasmdeploy run --allow` gives a command what it names, over TCP and UDP."""
    allow = (f"tcp://127.0.0.1:{around.tcp}", f"udp://127.0.0.1:{around.udp}")
    assert run_command("tcp", f"127.0.0.1:{around.tcp}", allow=allow) == "echo ping"
    assert run_command("udp", f"127.0.0.1:{around.udp}", allow=allow) == "echo ping"
    assert run_command("tcp", f"127.0.0.1:{around.other_tcp}", allow=allow) == "PermissionDenied"
    assert run_command("tcp", f"127.0.0.1:{around.tcp}", allow=()) == "PermissionDenied"


def test_a_command_as_a_task(tmp_path: Path, around: Servers) -> None:
    """A job's command has its rules from the task."""
    source = rust_guest("rust-sockets")
    target = f"127.0.0.1:{around.tcp}"
    task = Task("job", module=source.name, args=("tcp", target), allowed_outbound_hosts=(f"tcp://{target}",))
    with Executor(tmp_path, task, source) as executor:
        executor.start()
        assert executor.exit()["exit_code"] == 0
        assert executor.stdout.read_text() == "echo ping\n"


def test_a_command_has_no_rules_for_requests(tmp_path: Path) -> None:
    """It is told, since such a rule would allow nothing."""
    source = rust_guest("rust-sockets")
    task = Task("job", module=source.name, allowed_outbound_hosts=("https://example.com",))
    with Executor(tmp_path, task, source) as executor, pytest.raises(ConfigError) as caught:
        executor.start()
    assert "'https://example.com': a command has sockets only" in caught.value.message


def test_names(tmp_path: Path, around: Servers) -> None:
    """A name's rules are for the addresses that the name leads to; where those are private, they must be listed."""
    hosts = tmp_path / "hosts"
    hosts.write_text(
        "127.0.0.1 db.test web.test\n169.254.169.254 metadata.test\n::ffff:127.0.0.1 mapped.test\n"
    )
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mount namespace can be made here")
    run = partial(run_command, hosts=hosts)
    listed = f"tcp://127.0.0.0/8:{around.tcp}"
    there = f"db.test:{around.tcp}"
    assert run("tcp", there, allow=(f"tcp://{there}", listed)) == "echo ping"
    assert run("tcp", there, allow=(f"tcp://{there}",)) == "PermissionDenied"
    assert run("tcp", f"web.test:{around.tcp}", allow=(f"tcp://{there}",)) == "Uncategorized"  # no look-up
    assert run("tcp", f"mapped.test:{around.tcp}", allow=("tcp://*.test:*",)) == "PermissionDenied"
    assert run("tcp", "metadata.test:80", allow=("tcp://*:*", "tcp://10.0.0.0/8:*")) == "PermissionDenied"
    assert run("lookup", "metadata.test", allow=("tcp://*:*",)) == "169.254.169.254"
