"""The adapter under Python: a componentize-py guest in the world that the CLI ships."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import wasmtime  # its traps are what a host sees

from tests.driver.egress_loop import Running, running
from tests.driver.guests import GUESTS, Answer, Host, componentize, elsewhere, failure, head, response

pytestmark = pytest.mark.guests

HEADERS = [(b"content-type", b"text/plain")]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    host = Host(componentize((GUESTS / "python-http" / "app.py").read_text(), tmp_path_factory.mktemp("app")))
    yield host
    host.close()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The authority of a server elsewhere."""
    with elsewhere() as authority:
        yield authority


@pytest.fixture(scope="module")
def connector() -> Iterator[Running]:
    """The host's egress connector."""
    with running() as started:
        yield started


def test_a_python_guest_answers(python: Host) -> None:
    """A componentize-py guest in the shipped world answers, fresh and again."""
    expected = Answer(True, response(200, HEADERS, b"Hello from Python\n"), b"")
    assert python.fresh(head("GET", b"/")) == expected
    with python.reuse() as instance:
        for number in range(1, 5):
            answer = instance.run(head("GET", b"/calls"))
            assert answer.stdout == response(200, HEADERS, b"%d" % number)
            assert answer.stderr == b"call %d\n" % number


def test_a_python_guest_reads_and_writes_bodies(python: Host) -> None:
    """Its poll loop runs on the native streams, below and above the size of one read."""
    with python.reuse() as instance:
        for size in (0, 10, 200_000):
            answer = instance.run(head("POST", b"/echo") + b"x" * size)
            assert answer == Answer(True, response(200, HEADERS, b"x" * size), b"")


def test_a_python_guest_reads_variables_and_files(python: Host, tmp_path: Path) -> None:
    """Other imports of the world stay the host's."""
    (tmp_path / "a.txt").write_text("in a file")
    answer = python.fresh(head("GET", b"/variables"))
    assert answer.stdout == response(200, HEADERS, b"['green', None, [('color', 'green')]]")
    with python.reuse() as instance:
        for _ in range(2):
            answer = instance.run(head("GET", b"/file?/files/a.txt"), files=tmp_path)
            assert answer.stdout == response(200, HEADERS, b"in a file")


def test_a_python_guest_sets_an_error(python: Host) -> None:
    """An error code comes out as its name."""
    assert python.fresh(head("GET", b"/error?no tea")).stdout == failure(b"internal-error: no tea")


def test_a_python_exception_ends_the_run(python: Host) -> None:
    """An exception traps, its traceback goes to stderr."""
    with pytest.raises(wasmtime.WasmtimeError, match="unreachable"):
        python.fresh(head("GET", b"/raise?on purpose"))
    assert b"ValueError: on purpose" in python.answer(False).stderr


def test_a_python_guest_calls_out(python: Host, server: str, connector: Running) -> None:
    """Outgoing requests work with its poll loop, allowed and denied."""
    path = f"/fetch?{server}".encode()
    with python.reuse() as instance:
        for _ in range(2):
            answer = instance.run(head("GET", path, grant=connector.grant(f"http://{server}")))
            assert answer.stdout == response(200, HEADERS, b"203 GET /from-python None ")
            answer = instance.run(head("GET", path))
            assert answer.stdout == response(200, HEADERS, b"ErrorCode_HttpRequestDenied")
