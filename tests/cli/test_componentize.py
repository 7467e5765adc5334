"""`wasmdeploy componentize` and what it builds: a real app with a dependency of its own."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.driver.egress_loop import running
from tests.driver.executor_process import Executor, app
from tests.driver.guests import GUESTS, Answer, Host, elsewhere, head, response
from wasmdeploy_cli.componentize import componentize
from wasmdeploy_cli.errors import GuestError

pytestmark = pytest.mark.guests

TEXT = [(b"content-type", b"text/plain; charset=utf-8")]
JSON = [(b"content-type", b"application/json")]
TINY = '[project]\nname = "tiny"\nversion = "1"\n[build-system]\nrequires = []\nbuild-backend = "hatchling.build"\n'


@pytest.fixture(scope="module")
def component(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The app below tests/guests/python-app, built as docs/python.md says."""
    directory = tmp_path_factory.mktemp("app")
    project = directory / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text(TINY)
    (project / "tiny.py").write_text('WORD = "from a dependency"\n')
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-build-isolation"]
    subprocess.run([*command, "--target", "deps", "./project"], cwd=directory, check=True)
    output = directory / "new" / "app.wasm"
    componentize("app", output, [GUESTS / "python-app", directory / "deps"])
    return output


@pytest.fixture(scope="module")
def built(component: Path) -> Iterator[Host]:
    """The same, loaded."""
    host = Host(component.read_bytes())
    yield host
    host.close()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The authority of a server elsewhere."""
    with elsewhere() as authority:
        yield authority


@pytest.fixture(scope="module")
def nobody() -> Iterator[str]:
    """An authority where nothing listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"


def fetched(host: Host, method: str, url: str, *rules: str, body: bytes = b"", headers: str = "{}") -> Answer:
    path = f"/fetch?url={quote(url)}&headers={quote(headers)}".encode()
    with running() as connector:
        return host.fresh(head(method, path, grant=connector.grant(*rules)) + body)


def code_and_words(answer: Answer) -> tuple[str, str]:
    told = json.loads(answer.stdout[answer.stdout.index(b'{"code"') :])
    return told["code"], told["words"]


def test_a_dependency(built: Host) -> None:
    """A package in a directory of -p is in the component."""
    assert built.fresh(head("GET", b"/tiny")).stdout == response(200, TEXT, b"from a dependency")


def test_a_variable_and_the_log(built: Host) -> None:
    """Variables arrive; what is printed is on stderr."""
    answer = built.fresh(head("GET", b"/variable"))
    assert answer == Answer(True, response(200, JSON, b'["green", null]'), b"printed\n")


@pytest.mark.parametrize(("method", "body"), [("GET", b""), ("POST", b"x" * 200_000)])
def test_a_call_that_fails_says_why(built: Host, nobody: str, method: str, body: bytes) -> None:
    """The error is HTTP's own, whatever became of the body."""
    url = f"http://{nobody}/"
    assert code_and_words(fetched(built, method, url, body=body)) == (
        "HTTP-request-denied",
        f"{url}: HTTP-request-denied: {nobody} is not in the component's allowed_outbound_hosts (wasmdeploy.toml)",
    )
    refused = fetched(built, method, url, f"http://{nobody}", body=body)
    assert code_and_words(refused) == ("connection-refused", f"{url}: connection-refused")


@pytest.mark.parametrize(
    ("method", "url"), [("GET", "ftp://a/"), ("GET", "/a"), ("GET", "http://a/é b"), ("GET", "http://[a/")]
)
def test_a_call_that_cannot_be_made(built: Host, method: str, url: str) -> None:
    """What is no URL is told so."""
    assert code_and_words(fetched(built, method, url))[0] == "HTTP-request-URI-invalid"


def test_an_answer_is_handed_on(built: Host, server: str) -> None:
    """A call's answer can be the app's own; the request's body and headers went with it."""
    answer = fetched(
        built, "POST", f"http://{server}/p?q", f"http://{server}", body=b"b", headers='{"x-from": "a"}'
    )
    assert b"POST /p?q a b" in answer.stdout
    assert b"x-kind" in answer.stdout


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (b"/none", b"TypeError: handle returned None: is a return missing?"),
        (b"/exit", b"SystemExit: told to stop"),
        (b"/connection", b"ValueError: an app cannot set the header connection"),
        (b"/nowhere", b"KeyError: 'on_nowhere'"),
    ],
)
def test_a_handlers_bug_is_a_500(built: Host, path: bytes, words: bytes) -> None:
    """The client gets a bare 500, the log the traceback."""
    answer = built.fresh(head("GET", path))
    assert answer.stdout == response(500, TEXT, b"Internal Server Error\n")
    assert words in answer.stderr


def test_an_answer_in_parts(built: Host) -> None:
    """Its parts are bytes or text; it has the content type that it is given, and HEAD asks for none of it."""
    answer = built.fresh(head("GET", b"/parts"))
    assert (answer.ok, answer.stdout) == (
        True,
        response(200, [(b"content-type", b"text/x")], "tëxt and bytes".encode()),
    )
    assert built.fresh(head("HEAD", b"/fails")).stdout == response(200, [], b"")


@pytest.mark.parametrize(
    ("path", "sent", "came", "words"),
    [
        (
            b"/parts?1",
            b"",
            "tëxt and bytes".encode(),
            b"TypeError: a part of a body is bytes or text, not int",
        ),
        (b"/fails", b"some", b"some", b"ValueError: no more"),
    ],
)
def test_an_answer_that_breaks_off(built: Host, path: bytes, sent: bytes, came: bytes, words: bytes) -> None:
    """What came before it fails has gone out; the answer is not whole, and the log says why."""
    answer = built.fresh(head("POST", path) + sent)
    assert not answer.ok
    assert answer.stdout.endswith(came)
    assert words in answer.stderr


def test_an_answer_that_fails_before_its_first_part(built: Host) -> None:
    """Nothing has gone out yet, so it is a 500."""
    answer = built.fresh(head("POST", b"/fails"))
    assert answer.stdout == response(500, TEXT, b"Internal Server Error\n")


def test_parts_come_and_go_while_the_request_is_sent(component: Path, tmp_path: Path) -> None:
    """A handler that answers each part of the request has done so before the next one comes."""
    with Executor(tmp_path, app(component), component) as executor:
        executor.start()
        with (
            socket.create_connection(executor.address, timeout=60) as client,
            client.makefile("rb") as answer,
        ):
            client.sendall(b"POST /shout HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
            for part in (b"one", b"two", b"three"):
                client.sendall(b"%x\r\n%b\r\n" % (len(part), part))
                if part == b"one":
                    assert answer.readline() == b"HTTP/1.1 200 OK\r\n"
                    while answer.readline() != b"\r\n":
                        pass
                assert answer.readline() == b"%x\r\n" % len(part)
                assert answer.readline() == part.upper() + b"\r\n"
            client.sendall(b"0\r\n\r\n")
            assert answer.readline() == b"0\r\n"
        # A body that the handler does not ask for is no harm.
        assert executor.request("/unread", "POST", b"x" * 3_000_000)[2] == b"POST\n"


def test_an_empty_answer(built: Host) -> None:
    """Response(None) is a 204."""
    assert built.fresh(head("GET", b"/empty")).stdout == response(204, [], b"")


def test_what_is_not_there(built: Host) -> None:
    """docs/python.md tells what cannot be used."""
    expected = b'["ssl", "sqlite3", "ctypes", "multiprocessing.pool", "threads"]'
    assert built.fresh(head("GET", b"/missing")).stdout == response(200, JSON, expected)


def test_the_tools_own_packages_are_not_the_apps(tmp_path: Path) -> None:
    """What is installed beside the tool is not found; the error names the line and what to do."""
    (tmp_path / "app.py").write_text("import requests\n\nhandle = requests.get\n")
    with pytest.raises(GuestError, match="No module named 'requests'") as caught:
        componentize("app", tmp_path / "app.wasm", [tmp_path])
    assert caught.value.message.startswith(f"{tmp_path}/app.py:1: ")
    assert "\n" not in caught.value.message
    assert "pip install --target deps requests" in caught.value.hint


def test_a_variable_is_not_there_while_the_app_is_built(tmp_path: Path) -> None:
    """A module that reads a variable on its way is told where that belongs."""
    (tmp_path / "app.py").write_text(
        "from wasmdeploy_http import variable\n\nWORD = variable('word')\nhandle = print\n"
    )
    with pytest.raises(
        GuestError, match=r"app\.py:3: RuntimeError: variable works only .* call it in handle"
    ):
        componentize("app", tmp_path / "app.wasm", [tmp_path])


def test_a_handler_that_only_the_build_can_find(tmp_path: Path) -> None:
    """An async handler from elsewhere is refused when it is imported."""
    (tmp_path / "other.py").write_text("async def handle(request): pass\n")
    (tmp_path / "app.py").write_text("from other import *\n")
    with pytest.raises(GuestError, match=r"app\.py has an async handle, which is not supported"):
        componentize("app", tmp_path / "app.wasm", [tmp_path])
