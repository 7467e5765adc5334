import contextlib
import json
import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wasmdeploy_driver import errors
from wasmdeploy_driver.executor import control

MESSAGES = st.dictionaries(st.text(), st.recursive(st.none() | st.integers() | st.text(), st.lists))


@given(MESSAGES)
def test_a_message_is_one_line(message):
    """A message is one line, whatever is in it, and is read back the same."""
    line = control.encode_line(message)
    assert line.count(b"\n") == 1
    assert control.decode_line(line) == message


@pytest.mark.parametrize(
    "line", [b"", b"{}", b"\n", b"[]\n", b"5\n", b"{\n", b"\xff\n", b"[" * 100_000 + b"\n"]
)
def test_a_broken_line(line):
    """What is no JSON object in one whole line is an ExecutorError."""
    with pytest.raises(errors.ExecutorError):
        control.decode_line(line)


@pytest.mark.parametrize(
    "kind", [errors.GuestTrap, errors.SecretUnavailable, errors.ConfigError, errors.DeployError]
)
def test_an_error_crosses_the_socket(kind):
    """An error is raised on the other side as what it was."""
    with pytest.raises(errors.WasmdeployError) as caught:
        control.result(control.error_message(kind("message", "hint")))
    assert (type(caught.value), caught.value.message, caught.value.hint) == (kind, "message", "hint")


def test_an_error_of_a_newer_version():
    """An error that this version does not know is the base of all."""
    with pytest.raises(errors.WasmdeployError, match="message"):
        control.result({"error": {"kind": "NewError", "message": "message"}})


@pytest.mark.parametrize(
    ("message", "expected"), [({"ok": {"a": 1}}, {"a": 1}), ({"ok": {}}, {}), ({"event": "x"}, None)]
)
def test_a_last_line(message, expected):
    """The answer is in the line with `ok`; an event is not the last line."""
    assert control.result(message) == expected


def test_every_error_can_cross():
    """Each class of the tree is known by its name, and drawn in the tree."""

    def tree(cls):
        return [cls, *(each for below in cls.__subclasses__() for each in tree(below))]

    for cls in tree(errors.WasmdeployError)[1:]:
        assert type(errors.from_kind(cls.__name__, "m")) is cls
        assert cls.__name__ in errors.__doc__


@pytest.fixture
def served(tmp_path):
    """A state directory with a very long path, and a function that answers one call in it."""
    state = tmp_path / ("long" * 50)
    state.mkdir()
    listener = socket.socket(socket.AF_UNIX)
    with control.short_path(state) as path:
        listener.bind(path)
    listener.listen()
    asked, threads = [], []

    def answer(*lines):
        def run():
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as requests:
                asked.append(json.loads(requests.readline()))
                with contextlib.suppress(OSError):  # the caller may have heard enough
                    connection.sendall(b"".join(lines))

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        return state, asked

    yield answer
    for thread in threads:
        thread.join()
    listener.close()


def test_a_call(served):
    """A call sends one line, passes over events and gives the answer."""
    state, asked = served(
        control.encode_line({"event": "a", "detail": "b"}), control.encode_line({"ok": {"pid": 1}})
    )
    assert control.call(state, {"call": "inspect"}, 10) == {"pid": 1}
    assert asked == [{"call": "inspect"}]


@pytest.mark.parametrize("lines", [[], [b'{"event":"a"}\n'], [b'{"ok"'], [b"nonsense\n"], [b"x" * (2 << 20)]])
def test_a_call_without_an_answer(served, lines):
    """An executor that dies in the middle, or sends nonsense, is an ExecutorError."""
    state, _ = served(*lines)
    with pytest.raises(errors.ExecutorError, match="control socket"):
        control.call(state, {"call": "inspect"}, 10)


@pytest.mark.parametrize("there", [True, False])
def test_a_call_to_nobody(tmp_path, there):
    """Where no executor listens, or no state directory is, the error names the directory."""
    state = tmp_path if there else tmp_path / "none"
    with pytest.raises(errors.ExecutorError, match=str(state)):
        control.call(state, {"call": "inspect"}, 10)
