"""Guests of Spin 1's own HTTP interface, each case over a socket: a component, a core module, and one in Python."""

from __future__ import annotations

import http.client
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.driver.executor_process import Executor, app
from tests.driver.guests import GUESTS, ROOT, elsewhere, wat
from tests.driver.rust_guests import rust_guest
from wasmdeploy_driver.errors import GuestError
from wasmdeploy_driver.executor.check import check_app_guest
from wasmdeploy_driver.guest.componentize import componentize
from wasmdeploy_driver.task import Task, Variable

pytestmark = pytest.mark.guests

MODULE = "wasm32-wasip1"
COMPONENT = "wasm32-wasip2"


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    """The authority of a server that the guests may call."""
    with elsewhere() as authority:
        yield authority


@pytest.fixture(
    scope="module",
    params=[(COMPONENT, "request"), (COMPONENT, "instance"), (MODULE, "request"), (MODULE, "instance")],
)
def guest(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, upstream: str
) -> Iterator[Executor]:
    """The Rust guest, as a component and as the module that some SDKs leave, in each isolation mode."""
    target, isolation = request.param
    source = rust_guest("rust-spin1", target)
    task = app(
        source,
        isolation=isolation,
        variables={"color": "{{ word }}"},
        allowed_outbound_hosts=(f"http://{upstream}",),
    )
    task = replace(task, variable=(Variable("word", "green"),))
    with Executor(tmp_path_factory.mktemp("spin1"), task, source) as executor:
        yield executor.start()


def test_an_answer(guest: Executor) -> None:
    """Status, header and body are the guest's."""
    status, headers, body = guest.request("/hello")
    assert (status, headers["content-type"], body) == (200, "text/plain", b"hello from Spin 1\n")


def test_the_request(guest: Executor) -> None:
    """Method, target and headers arrive; Spin's own headers are not a client's to send."""
    connection = http.client.HTTPConnection(*guest.address)
    headers = {"x-a": "1", "spin-path-info": "/faked", "spin-full-url": "faked", "host": "a.test"}
    connection.request("PUT", "/request?q=%2F&r", headers=headers)
    shown = connection.getresponse().read().decode()
    connection.close()
    assert shown.startswith("Method::Put /request?q=%2F&r ")
    assert "x-a=1" in shown
    assert "spin-full-url=http://a.test/request?q=%2F&r" in shown
    assert "faked" not in shown


def test_a_method_that_spin_has_no_word_for(guest: Executor) -> None:
    """Such a request fails alone."""
    assert guest.request("/hello", "PROPFIND")[0] == 500
    assert guest.request("/hello")[0] == 200


@pytest.mark.parametrize("size", [0, 1, 4097, 3_000_000])
def test_a_body_comes_back(guest: Executor, size: int) -> None:
    """Bodies of any size pass whole."""
    body = (bytes(range(256)) * (size // 256 + 1))[:size]
    assert guest.request("/echo", "POST", body)[2] == body


def test_headers(guest: Executor) -> None:
    """A repeated header stays apart; what belongs to the connection is left out."""
    connection = http.client.HTTPConnection(*guest.address)
    connection.request("GET", "/headers")
    answer = connection.getresponse()
    assert answer.msg.get_all("set-cookie") == ["a=1", "b=2"]
    assert answer.getheader("connection") is None
    assert answer.read() == b"two cookies"
    connection.close()


@pytest.mark.parametrize(
    ("path", "status"), [("/status?404", 404), ("/status?204", 204), ("/status?99", 500)]
)
def test_the_status(guest: Executor, path: str, status: int) -> None:
    """A status passes if it is one."""
    assert guest.request(path)[0] == status


@pytest.mark.parametrize("path", ["/trap", "/broken", "/store"])
def test_a_failure_costs_one_request(guest: Executor, path: str) -> None:
    """A trap, a header with a line break and a call that no host function serves are a 500, and no more."""
    assert guest.request(path)[0] == 500
    assert guest.request("/hello")[0] == 200


def test_the_failed_call_is_named(guest: Executor) -> None:
    """The task's log says which of Spin's functions is not offered."""
    guest.request("/store")
    assert "fermyon:spin/key-value#open is not offered by this host" in guest.stderr.read_text()


def test_configuration(guest: Executor) -> None:
    """fermyon:spin/config gives the component's variables, and Spin's error for a name that is none."""
    assert guest.request("/config?color")[2] == b'Ok("green")'
    assert b"Error::InvalidKey" in guest.request("/config?word")[2]


def test_outgoing_requests(guest: Executor, upstream: str) -> None:
    """send-request reaches a listed host, with a body and without."""
    assert guest.request(f"/fetch?http://{upstream}/x?y")[2] == b"203 told GET /x?y spin "
    assert guest.request(f"/fetch?http://{upstream}", "POST", b"sent")[2] == b"203 told POST / spin sent"


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("http://127.0.0.1:1/", "destination-not-allowed"),
        ("https://{upstream}/", "destination-not-allowed"),
        ("/relative", "invalid-url"),
        ("ftp://{upstream}/", "invalid-url"),
        ("http://me@{upstream}/", "invalid-url"),
    ],
)
def test_refused_requests(guest: Executor, upstream: str, url: str, error: str) -> None:
    """The allow-list holds here too, and an unfit URL has Spin's own error."""
    assert guest.request(f"/fetch?{url.format(upstream=upstream)}")[2].decode() == error


def test_what_a_guest_prints_is_no_part_of_its_response(guest: Executor) -> None:
    """Prints go to the task's log."""
    assert guest.request("/printed")[2] == b"nothing of it here"
    assert "printed" in guest.stderr.read_text()


def test_a_python_guest(tmp_path: Path, upstream: str) -> None:
    """componentize-py builds such guests too."""
    shipped = (ROOT / "cli" / "wasmdeploy_cli" / "wit" / "wasmdeploy.wit").read_text()
    spin = (GUESTS / "rust-spin1" / "wit" / "spin.wit").read_text()
    world = tmp_path / "world.wit"
    world.write_text(
        shipped.replace(
            "  export wasi:http/incoming-handler@0.2.12;",
            "  import fermyon:spin/http;\n  export fermyon:spin/inbound-http;",
        )
        + spin.replace("package fermyon:spin;", "package fermyon:spin {")
        + "}\n"
    )
    tool = Path(sys.executable).with_name("componentize-py")
    command = [tool, "-q", "-d", world, "-w", "http-py", "componentize", "app", "-p", GUESTS / "python-spin1"]
    source = tmp_path / "spin1.wasm"
    subprocess.run([*command, "-o", source], check=True, stdout=subprocess.DEVNULL)
    task = app(source, allowed_outbound_hosts=(f"http://{upstream}",))
    with Executor(tmp_path, task, source) as executor:
        executor.start()
        assert executor.request("/")[2] == b"hello from Spin 1 in Python\n"
        assert executor.request("/echo", "POST", b"\0" * 70_000)[2] == b"\0" * 70_000
        assert executor.request(f"/fetch?http://{upstream}/p")[2] == b"GET /p python "
        assert executor.request("/fetch?http://127.0.0.1:1/")[2] == b"DESTINATION_NOT_ALLOWED"


def test_a_module_of_wasi_http(tmp_path: Path) -> None:
    """A core module with WASI 0.2's handler is made a component when it is loaded."""
    source = rust_guest("rust-http", MODULE)
    with Executor(tmp_path, app(source, environment={"WORD": "given"}), source) as executor:
        executor.start()
        assert executor.request("/hello")[2] == b"Hello from Rust\n"
        assert executor.request("/echo", "POST", b"x" * 100_000)[2] == b"x" * 100_000
        assert executor.request("/env")[2] == b"WORD=given\n"
        assert executor.request("/print")[2] == b"nothing of it here"


@pytest.mark.parametrize("target", [COMPONENT, MODULE])
def test_a_program_that_needs_a_component(tmp_path: Path, target: str) -> None:
    """A `_start` module that imports Spin's interfaces runs as a command, and fails with WASI 0.2's one code."""
    source = rust_guest("rust-spin1", target, "program")
    for args, code in (((), 0), (("fail",), 1)):
        task = Task("job", module=source.name, args=args, variable=(Variable("word", "green"),))
        directory = tmp_path / f"run{code}"
        directory.mkdir()
        with Executor(directory, task, source) as executor:
            executor.start()
            assert executor.exit()["exit_code"] == code
            shown = '["fail"]' if args else "[]"
            assert executor.stdout.read_text() == f'{shown} Ok("green")\n'


def test_a_module_is_found_usable_before_it_is_sent() -> None:
    """`build` and `deploy` accept what the node will make a component of."""
    assert check_app_guest(rust_guest("rust-spin1", MODULE)).binary.typed


def test_types_that_do_not_fit() -> None:
    """A module whose section of types is broken is refused in one line that says what to do."""
    broken = wat(
        '(module (@custom "component-type:x" "broken") (import "a" "b" (func)) (func (export "_start")))'
    )
    with pytest.raises(GuestError, match="no component can be made of the module") as refusal:
        componentize(broken)
    assert "\n" not in refusal.value.message
    assert refusal.value.hint
