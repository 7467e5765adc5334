"""Sessions that are ended as a whole."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from tests.driver.plugin_process import runs, until
from wasmdeploy_driver.runner import session
from wasmdeploy_driver.runner.process import identify, process_table
from wasmdeploy_driver.runner.session import end_session


def test_session_is_killed_after_its_leader_died():
    """Children of a dead leader are found by the session."""
    code = "import subprocess; print(subprocess.Popen(['sleep', '600']).pid, flush=True)"
    leader = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True)
    process = identify(leader.pid)
    orphan = int(leader.stdout.readline())
    leader.stdout.close()
    leader.wait()
    assert runs(orphan)
    end_session(process)
    until(lambda: not runs(orphan), "the orphan is gone")


def test_own_session_is_never_meant():
    """Killing one session leaves ours."""
    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
    end_session(identify(child.pid))
    child.wait()
    assert runs(os.getpid())


def test_many_that_end_at_once_share_looks(monkeypatch):
    """Whoever asks while a look is taken has a look with all the others who do, and never that one."""
    children = [subprocess.Popen(["sleep", "600"], start_new_session=True) for _ in range(20)]
    looks, begun, go_on = [], threading.Event(), threading.Event()

    def slow_table():
        begun.set()
        assert go_on.wait(60)
        looks.append(table := process_table())
        return table

    monkeypatch.setattr(session, "process_table", slow_table)
    leaders = [identify(child.pid) for child in children]
    with ThreadPoolExecutor(len(children)) as pool:
        first = pool.submit(end_session, leaders[0])
        assert begun.wait(60)
        others = [pool.submit(end_session, leader) for leader in leaders[1:]]
        until(lambda: len(session._looks.next.leaders) == len(others), "all ask")
        go_on.set()
        for each in (first, *others):
            each.result(60)
    assert all(child.wait(60) for child in children)
    assert len(looks) <= 2 * 10
