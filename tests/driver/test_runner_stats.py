"""What tasks use of the machine."""

import subprocess
import sys
import time

import pytest

from tests.driver.plugin_process import until
from wasmdeploy_driver.runner.process import identify
from wasmdeploy_driver.runner.session import end_session
from wasmdeploy_driver.runner.stats import Sampler

BUSY = "import subprocess, sys; subprocess.Popen(['sleep', '600']); print(flush=True)\nwhile True: pass"


@pytest.fixture
def busy():
    process = subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE, start_new_session=True)
    process.stdout.readline()
    yield process
    end_session(identify(process.pid))
    process.wait()
    process.stdout.close()


def test_usage_covers_the_process_and_its_children(busy):
    """CPU comes with the second sample, memory with the first, and children count."""
    sampler = Sampler(lambda: identify(busy.pid))
    first = sampler.read()
    assert first.total.percent == 0
    assert first.total.rss > 1 << 20
    assert len(first.by_pid) == 2
    assert first.at == pytest.approx(time.time(), abs=60)
    second = until(lambda: (sample := sampler.read()).total.percent > 1 and sample, "the loop uses CPU")
    assert second.total.percent == pytest.approx(sum(usage.percent for usage in second.by_pid.values()))


def test_ended_process_has_no_usage(busy):
    """After the end, and while a task is parked, nothing is used."""
    process = identify(busy.pid)
    sampler = Sampler(lambda: process)
    assert sampler.read().total.rss > 0
    busy.kill()
    until(lambda: not process.alive, "the process is gone")
    sample = sampler.read()
    assert (sample.total.percent, sample.total.rss, sample.total.pss, sample.by_pid) == (0, 0, 0, {})
