"""The client against executors that misbehave."""

import asyncio
import socket
import threading

import pytest

from wasmdeploy_driver.errors import ExecutorError, SecretUnavailable
from wasmdeploy_driver.executor.control import MAX_LINE, short_path
from wasmdeploy_driver.runner import client


@pytest.fixture
def answering(tmp_path):
    """A socket that answers one call with given bytes and closes, or stays open."""
    listener = socket.socket(socket.AF_UNIX)
    with short_path(tmp_path) as path:
        listener.bind(path)
    listener.listen()
    threads, open_ones = [], []

    def answer(data: bytes, close: bool = True):
        def once():
            connection, _ = listener.accept()
            connection.makefile("rb").readline()
            connection.sendall(data)
            connection.close() if close else open_ones.append(connection)

        threads.append(threading.Thread(target=once))
        threads[-1].start()
        return tmp_path

    yield answer
    for thread in threads:
        thread.join()
    for each in (listener, *open_ones):
        each.close()


def call(state, **options):
    return asyncio.run(client.call(state, {"call": "inspect"}, **{"timeout": 10.0, **options}))


def test_events_come_before_the_answer(answering):
    """Events go to the listener, the answer is returned."""
    events = []
    state = answering(b'{"event":"a","detail":"b"}\n{"event":"c"}\n{"ok":{"pid":1}}\n')
    assert call(state, on_event=lambda *event: events.append(event)) == {"pid": 1}
    assert events == [("a", "b"), ("c", "")]


def test_reported_error_is_raised(answering):
    """An error crosses the socket as its class, message and hint."""
    state = answering(b'{"error":{"kind":"SecretUnavailable","message":"sealed","hint":"unseal"}}\n')
    with pytest.raises(SecretUnavailable, match="sealed") as caught:
        call(state)
    assert caught.value.hint == "unseal"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "without an answer"),
        (b'{"event":"a"}\n', "without an answer"),
        (b'{"ok":{}', "in the middle"),
        (b"hello\n", "no JSON"),
        (b"[]\n", "no JSON object"),
        (b"x" * (MAX_LINE + 2), "beyond"),
    ],
)
def test_nonsense_is_one_error(answering, data, words):
    """Whatever comes, it is an ExecutorError."""
    with pytest.raises(ExecutorError, match=words):
        call(answering(data))


def test_silence_has_an_end(answering):
    """A call that is not answered in time is an error."""
    with pytest.raises(ExecutorError, match=r"did not answer 'inspect' in 0\.2 s"):
        call(answering(b"", close=False), timeout=0.2)


def test_nobody_listens(tmp_path):
    """A missing socket is an error at once, unless the caller wants it tried again."""
    with pytest.raises(ExecutorError, match="cannot be reached: No such file"):
        call(tmp_path)
    patience = iter([True, True, False])
    with pytest.raises(ExecutorError, match="cannot be reached"):
        call(tmp_path, keep_trying=lambda: next(patience))
    assert next(patience, None) is None
