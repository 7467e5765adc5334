"""Programs that answer through CGI, each case over a socket: a Go module, a Rust module and a Rust component."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.driver.executor_process import Executor, app
from tests.driver.go_guests import go_guest
from tests.driver.rust_guests import rust_guest
from wasmdeploy_driver.errors import ConfigError, GuestError
from wasmdeploy_driver.task import Dir, Task

pytestmark = pytest.mark.guests


def built(kind: str) -> tuple[Path, dict[str, object]]:
    """A guest's file, and what its manifest has to say."""
    if kind == "go":
        return go_guest(), {}
    if kind == "rust":
        return rust_guest("rust-cgi", "wasm32-wasip1"), {}
    return rust_guest("rust-cgi"), {"executor": "wagi"}


def task_of(source: Path, **parts: object) -> Task:
    """An app below /api with a directory that cannot be written."""
    task = app(source, environment={"WORD": "given", "QUERY_STRING": "faked"}, args=("one two",), **parts)
    (component,) = task.component
    readonly = replace(component, route=("/api/...",), dir=(Dir("data", "/data", True),))
    return replace(task, component=(readonly,))


@pytest.fixture(scope="module", params=["go", "rust", "component"])
def guest(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Executor]:
    """Each guest in turn."""
    source, parts = built(request.param)
    with Executor(tmp_path_factory.mktemp("wagi"), task_of(source, **parts), source) as executor:
        (executor.task_dir / "data" / "file").write_text("content")
        yield executor.start()


def test_the_environment(guest: Executor) -> None:
    """CGI's variables with the path decoded, WAGI's, and the manifest's own, which cannot fake a request's."""
    body = guest.request("/api/env?a=1&b=%20")[2].decode()
    variables = dict(line.split("=", 1) for line in body.splitlines())
    assert variables["SCRIPT_NAME"] == variables["X_COMPONENT_ROUTE"] == "/api"
    assert variables["PATH_INFO"] == variables["PATH_TRANSLATED"] == variables["X_RAW_PATH_INFO"] == "/env"
    assert variables["X_MATCHED_ROUTE"] == "/api/..."
    assert (variables["QUERY_STRING"], variables["WORD"]) == ("a=1&b=%20", "given")
    assert variables["X_FULL_URL"].endswith("/api/env?a=1&b=%20")


def test_the_path_is_decoded(guest: Executor) -> None:
    """What a program branches on is the path its author wrote."""
    assert guest.request("/api/%65nv")[2].count(b"X_RAW_PATH_INFO=/%65nv\n") == 1


def test_the_arguments(guest: Executor) -> None:
    """The path, the component's own arguments and the parts of the query."""
    body = guest.request("/api/args?greet=matt&foo=b%20r")[2].decode()
    words = ["/api/args", "one two", "greet=matt", "foo=b%20r"]
    assert body.replace('" "', '", "') == "[" + ", ".join(f'"{word}"' for word in words) + "]\n"


def test_a_body_comes_back(guest: Executor) -> None:
    """A body is the program's standard input."""
    body = bytes(range(256)) * 1000
    assert guest.request("/api/echo", "POST", body)[2] == body


def test_two_cookies_and_carriage_returns(guest: Executor) -> None:
    """A head with CRLF passes, repeated headers stay apart, the body keeps its line ends."""
    import http.client

    connection = http.client.HTTPConnection(*guest.address)
    connection.request("GET", "/api/cookies")
    answer = connection.getresponse()
    assert answer.msg.get_all("set-cookie") == ["a=1", "b=2"]
    assert answer.read() == b"two\r\n"
    connection.close()


def test_files_are_read_only(guest: Executor) -> None:
    """A mounted directory can be read and not written where the task says so."""
    assert guest.request("/api/file")[2] == b"content <nil> true\n"
    assert not (guest.task_dir / "data" / "other").exists()


@pytest.mark.parametrize(
    ("path", "status"),
    [("/teapot", 418), ("/moved", 302), ("/fail", 500), ("/panic", 500), ("/nothing", 500), ("/", 200)],
)
def test_the_status(guest: Executor, path: str, status: int) -> None:
    """A head's Status and Location count, and a program that fails or prints nothing is a 500."""
    assert guest.request(f"/api{path}")[0] == status


def test_argv_is_a_template(tmp_path: Path) -> None:
    """The manifest may put other words around the path and the query."""
    source, parts = built("rust")
    with Executor(tmp_path, task_of(source, **parts, argv="tool ${SCRIPT_NAME}?${ARGS}"), source) as executor:
        executor.start()
        assert executor.request("/api/args?a&b")[2] == b'["tool", "/api/args?a b"]\n'


def test_another_entry_point(tmp_path: Path) -> None:
    """A preview 1 module is called where the manifest says."""
    source, parts = built("rust")
    with Executor(tmp_path, task_of(source, **parts, entrypoint="other"), source) as executor:
        executor.start()
        assert executor.request("/api/")[2] == b"the other entry\n"


def test_a_missing_entry_point(tmp_path: Path) -> None:
    """One that the module does not export keeps the app from starting."""
    source, parts = built("rust")
    task = task_of(source, **parts, entrypoint="elsewhere")
    with Executor(tmp_path, task, source) as executor, pytest.raises(GuestError, match="export elsewhere"):
        executor.start()


@pytest.mark.parametrize("kind", ["rust", "component"])
def test_no_program_is_used_twice(tmp_path: Path, kind: str) -> None:
    """Such a guest ends with each request, so it has one isolation mode only."""
    source, parts = built(kind)
    task = task_of(source, **parts, isolation="instance")
    with Executor(tmp_path, task, source) as executor, pytest.raises(ConfigError, match="isolation"):
        executor.start()
