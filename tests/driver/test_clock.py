"""The clock of an engine where its task has as many threads as it may; what it does else, guests' time limits show."""

import threading

import pytest

from wasmdeploy_driver.guest.clock import Clock


def test_where_no_thread_can_be_had(monkeypatch):
    """A clock that could not start has not begun: the next run has it again."""
    ticked, watched = threading.Event(), threading.Event()
    clock = Clock(ticked.set)

    def refuse(_):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError):
            clock.start(watched.set)
    with clock:
        assert ticked.wait(60)
    assert not watched.is_set()
