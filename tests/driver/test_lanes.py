import asyncio
import random
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wasmdeploy_driver.http.lanes import Lanes

NEVER = 3600.0


class Job:
    """A blocking call that says when it runs and ends when it is let go."""

    def __init__(self, result=None):
        self.runs = threading.Event()
        self.go = threading.Event()
        self.result = result

    def __call__(self):
        self.runs.set()
        assert self.go.wait(30)
        if isinstance(self.result, Exception):
            raise self.result
        return self.result

    async def running(self):
        assert await asyncio.to_thread(self.runs.wait, 30)


async def ticks(count=5):
    for _ in range(count):
        await asyncio.sleep(0)


async def until(condition):
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.001)


async def is_free(lanes):
    async with asyncio.timeout(30):
        await until(lambda: lanes.running == 0 and lanes.waiting == 0)
        assert await lanes.run(lambda: "free") == "free"
    lanes.close()


def test_the_result_comes_back():
    """What the function returns or raises is what `run` returns or raises."""

    async def scenario():
        lanes = Lanes()
        assert await lanes.run(lambda: 7) == 7
        with pytest.raises(KeyError):
            await lanes.run(lambda: {}["no"])
        await is_free(lanes)

    asyncio.run(scenario())


def test_quick_calls_run_one_after_the_other():
    """While one quick call runs, the next ones wait, and come in the order of arrival."""

    async def scenario():
        lanes, order, first = Lanes(patience=NEVER), [], Job()
        tasks = [asyncio.create_task(lanes.run(first))]
        tasks += [asyncio.create_task(lanes.run(lambda at=at: order.append(at))) for at in range(5)]
        await first.running()
        assert (lanes.running, lanes.waiting) == (1, 5)
        first.go.set()
        await asyncio.gather(*tasks)
        assert order == [0, 1, 2, 3, 4]
        await is_free(lanes)

    asyncio.run(scenario())


def test_a_slow_call_gives_its_slot_away():
    """A call beyond the patience goes on beside the next one."""

    async def scenario():
        lanes, slow = Lanes(patience=0.001), Job("slow")
        first = asyncio.create_task(lanes.run(slow))
        await slow.running()
        assert await lanes.run(lambda: "next") == "next"
        slow.go.set()
        assert await first == "slow"
        await is_free(lanes)

    asyncio.run(scenario())


def test_at_most_so_many_run():
    """Slow calls fill the lanes up to the bound; then the next waits for one of them to end."""

    async def scenario():
        lanes, jobs = Lanes(most=3, patience=0.001), [Job(at) for at in range(4)]
        tasks = [asyncio.create_task(lanes.run(job)) for job in jobs]
        for job in jobs[:3]:
            await job.running()
        await until(lambda: lanes.waiting == 1)
        assert lanes.running == 3
        jobs[1].go.set()
        await jobs[3].running()
        for job in jobs:
            job.go.set()
        assert await asyncio.gather(*tasks) == [0, 1, 2, 3]
        await is_free(lanes)

    asyncio.run(scenario())


@pytest.mark.parametrize("result", [None, ValueError("late")])
def test_a_cancelled_caller_keeps_the_slot_until_its_call_ends(result):
    """A call whose caller has gone still runs, so nobody takes its place before it has ended."""

    async def scenario():
        lanes, abandoned = Lanes(patience=NEVER), Job(result)
        caller = asyncio.create_task(lanes.run(abandoned))
        await abandoned.running()
        after = asyncio.create_task(lanes.run(lambda: "after"))
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        assert (lanes.running, lanes.waiting) == (1, 1)
        abandoned.go.set()
        assert await after == "after"
        await is_free(lanes)

    asyncio.run(scenario())


def test_a_cancelled_waiter_leaves_the_queue():
    """A waiter that is cancelled is no longer counted, and the one behind it gets its turn."""

    async def scenario():
        lanes, first = Lanes(patience=NEVER), Job()
        running = asyncio.create_task(lanes.run(first))
        await first.running()
        waiter, behind = (asyncio.create_task(lanes.run(lambda at=at: at)) for at in ("waiter", "behind"))
        await ticks()
        waiter.cancel()
        await ticks()
        assert lanes.waiting == 1
        first.go.set()
        assert await behind == "behind"
        await running
        await is_free(lanes)

    asyncio.run(scenario())


@pytest.mark.parametrize("cancel_first", [True, False])
def test_a_waiter_cancelled_as_its_turn_comes_passes_the_slot_on(cancel_first):
    """Cancelling a waiter just before or just after it was given the slot loses no slot."""

    async def scenario():
        lanes, first = Lanes(patience=NEVER), Job()
        running = asyncio.create_task(lanes.run(first))
        await first.running()
        waiter, behind = (asyncio.create_task(lanes.run(lambda at=at: at)) for at in ("waiter", "behind"))
        await ticks()
        first.go.set()
        while not cancel_first and lanes.waiting == 2:
            await asyncio.sleep(0)  # the loop wakes us before the waiter that was just given the slot
        waiter.cancel()
        assert await behind == "behind"
        with pytest.raises(asyncio.CancelledError):
            await waiter
        await running
        await is_free(lanes)

    asyncio.run(scenario())


def test_closed_lanes_refuse():
    """After `close`, a call is refused, and refused again: the slot is not kept by the refusal."""

    async def scenario():
        lanes = Lanes()
        lanes.close()
        for _ in range(2):
            with pytest.raises(RuntimeError):
                await asyncio.wait_for(lanes.run(lambda: 1), 10)

    asyncio.run(scenario())


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.0005, NEVER]), st.integers(1, 4))
def test_no_order_of_events_loses_the_slot(seed, patience, most):
    """Whatever ends, fails, is slow or is cancelled in whatever order: in the end the slot is free."""

    async def scenario():
        chance, lanes, most_seen, now, lock = (
            random.Random(seed),
            Lanes(most, patience),
            [0],
            [0],
            threading.Lock(),
        )

        def work(wait):
            with lock:
                now[0] += 1
                most_seen[0] = max(most_seen[0], now[0])
            wait.wait(0.002 * chance.random())
            with lock:
                now[0] -= 1
            if chance.random() < 0.2:
                raise ValueError

        tasks = []
        for _ in range(25):
            tasks.append(asyncio.create_task(lanes.run(lambda: work(threading.Event()))))
            await ticks(chance.randrange(4))
            if chance.random() < 0.4:
                chance.choice(tasks).cancel()
            if chance.random() < 0.1:
                await asyncio.sleep(0.001)
        await asyncio.gather(*tasks, return_exceptions=True)
        await is_free(lanes)
        assert most_seen[0] <= (most if patience < NEVER else 1)

    asyncio.run(scenario())
