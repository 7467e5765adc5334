import asyncio
import os
import threading

import pytest

from tests.driver.fake_workers import Engines, FakeWorker
from wasmdeploy_driver.app.exchange import Exchange
from wasmdeploy_driver.app.pool import Busy, Pool, PoolBounds
from wasmdeploy_driver.app.quota import Quota
from wasmdeploy_driver.app.target import FrameTarget
from wasmdeploy_driver.app.worker import ThreadWorker
from wasmdeploy_driver.errors import GuestTimeout, GuestTrap
from wasmdeploy_driver.guest.call import Call, Outcome
from wasmdeploy_driver.http.message import BrokenBodyError, Request


class World:
    """A pool whose guests the test plays."""

    def __init__(self, engines=100, seconds=30.0, **bounds):
        self.target = FrameTarget(0, quota=Quota(seconds))
        self.thread = FakeWorker()
        self.engines = Engines(engines)
        self.stuck = []
        settings = {"slots": 1, "patience": 0.001} | bounds
        self.pool = Pool(self.thread, self.engines, PoolBounds(**settings), lambda: self.stuck.append(True))

    def submit(self, rest=None, left=bool):
        """A request, submitted."""
        request = Request("POST", "http", b"a", b"/", rest=rest, headers=(), left=left)
        exchange = Exchange(self.target, request, "/...")
        self.pool.submit(exchange)
        return exchange

    async def engine(self, number):
        """The engine process of that number, once it was started."""
        await until(lambda: len(self.engines.started) > number)
        return self.engines.started[number]


async def until(condition):
    """Wait for something that other callbacks bring about."""
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.001)


def test_one_after_the_other():
    """At rest the thread answers, one request at a time, in their order; nobody else is started for quick guests."""

    async def scenario():
        world = World(patience=10.0)
        first, second = world.submit(), world.submit()
        assert (world.pool.running, world.pool.waiting) == (1, 1)
        world.thread.answer(b"1")
        world.thread.answer(b"2")
        assert [bytes((await each.response).body) for each in (first, second)] == [b"1", b"2"]
        assert (world.pool.running, world.pool.waiting, world.pool.processes) == (0, 0, 0)

    asyncio.run(scenario())


def test_a_slow_guest_gives_its_slot_away():
    """While a guest takes its time, an engine process is started for the next request."""

    async def scenario():
        world = World()
        slow, quick = world.submit(), world.submit()
        engine = await world.engine(0)
        assert not engine.calls
        engine.be_ready()
        engine.answer(b"quick")
        assert bytes((await quick.response).body) == b"quick"
        world.thread.answer(b"slow")
        assert bytes((await slow.response).body) == b"slow"

    asyncio.run(scenario())


def test_a_guest_that_waits_gives_its_slot_away_at_once():
    """A guest that waits is told from one that computes, which keeps its slot for as long as it may."""

    async def scenario():
        world = World(patience=60.0)
        loop = asyncio.get_running_loop()
        world.thread.seconds = loop.time
        world.submit()
        waiting = world.submit()
        await asyncio.sleep(0.05)
        assert not world.engines.started
        world.thread.seconds = None
        engine = await world.engine(0)
        engine.be_ready()
        engine.answer()
        await waiting.response

    asyncio.run(scenario())


def test_a_guest_that_computes_for_long_gives_its_slot_away():
    """Computing takes a slot for a while, and then shares the processor with the next."""

    async def scenario():
        world = World()
        world.thread.seconds = asyncio.get_running_loop().time
        world.submit()
        waiting = world.submit()
        engine = await world.engine(0)
        engine.be_ready()
        engine.answer()
        await waiting.response

    asyncio.run(scenario())


def test_a_process_comes_first():
    """An idle engine process is used before the thread, which shares the interpreter with the event loop."""

    async def scenario():
        world = World(slots=2, patience=10.0)
        world.submit()
        second = world.submit()
        engine = await world.engine(0)
        engine.be_ready()
        engine.answer()
        await second.response
        world.thread.answer()
        world.submit()
        assert (len(world.thread.calls), len(engine.calls)) == (1, 2)
        world.submit()
        assert (len(world.thread.calls), len(engine.calls)) == (2, 2)

    asyncio.run(scenario())


def test_many_requests_are_worth_a_process():
    """Where requests keep coming, though one after the other, a process is started for them."""

    async def scenario():
        world = World(patience=10.0)
        for _ in range(200):
            world.submit()
            world.thread.answer()
        assert len(world.engines.started) == 1

    asyncio.run(scenario())


def test_each_slot_is_worth_a_process():
    """Where requests keep coming to the thread beside a busy process, another starts, and none beyond the bounds."""

    async def scenario():
        world = World(slots=3, most=3, patience=10.0)
        for started in (1, 2, 2):
            for _ in range(200):
                world.submit()
                world.thread.answer()
            assert len(world.engines.started) == started
            engine = world.engines.started[-1]
            if not engine.ready:
                engine.be_ready()
                world.submit()  # keeps it busy

    asyncio.run(scenario())


def test_one_component_at_its_limit():
    """A component that has as many runs as it may have waits, and lets the others pass."""

    async def scenario():
        world = World(slots=2, patience=10.0)
        world.target.quota.most = 1
        world.submit()
        waiting = world.submit()
        world.target = FrameTarget(1)
        other = world.submit()
        engine = await world.engine(0)
        engine.be_ready()
        assert engine.calls == [other.call]
        world.thread.answer()
        world.thread.answer()
        await waiting.response

    asyncio.run(scenario())


def test_no_more_than_most():
    """So many guests run at once, however many wait."""

    async def scenario():
        world = World(most=3)
        sent = [world.submit() for _ in range(8)]
        for number in (0, 1):
            (await world.engine(number)).be_ready()
        await until(lambda: world.pool.running == 3)
        await asyncio.sleep(0.02)
        assert (world.pool.running, len(world.engines.started)) == (3, 2)
        while not all(each.answered for each in sent):
            for worker in (world.thread, *world.engines.started):
                if worker.busy:
                    worker.answer()
            await asyncio.sleep(0.001)
        await asyncio.gather(*(each.response for each in sent))

    asyncio.run(scenario())


def test_a_blocked_guest_is_killed():
    """Past the limit the process of a blocked guest is killed; only its request fails."""

    async def scenario():
        world = World(seconds=0.01)
        world.submit()
        blocked = world.submit()
        engine = await world.engine(0)
        engine.be_ready()
        with pytest.raises(GuestTimeout, match="blocked past its time limit"):
            await blocked.response
        assert engine.killed is not None

    asyncio.run(scenario())


def test_a_guest_that_blocks_the_thread():
    """No thread can be killed: its request fails, processes go on without it, and once back it is used again."""

    async def scenario():
        world = World(seconds=0.01)
        blocked = world.submit()
        with pytest.raises(GuestTimeout):
            await blocked.response
        assert world.thread.muted
        other = world.submit()
        engine = await world.engine(0)
        engine.be_ready()
        engine.answer()
        await other.response
        assert not world.stuck
        world.thread.end()
        world.submit()
        await until(lambda: engine.busy)
        last = world.submit()
        await until(lambda: world.thread.busy)
        world.thread.answer(b"back")
        assert bytes((await last.response).body) == b"back"

    asyncio.run(scenario())


def test_stuck():
    """With the thread blocked and no process to be had, the app cannot go on by itself."""

    async def scenario():
        world = World(engines=0, seconds=0.01)
        world.submit()
        await until(lambda: world.thread.muted)
        world.submit()
        await until(lambda: world.stuck)

    asyncio.run(scenario())


def test_a_process_that_dies():
    """With a process dies the request that it had; the next gets another process."""

    async def scenario():
        world = World()
        world.submit()
        lost = world.submit()
        engine = await world.engine(0)
        engine.be_ready()
        engine.die()
        with pytest.raises(GuestTrap, match="died"):
            await lost.response
        other = world.submit()
        engine = await world.engine(1)
        engine.be_ready()
        engine.answer()
        await other.response

    asyncio.run(scenario())


def test_idle_processes_end():
    """A process that was idle for long enough is closed; at rest there is none."""

    async def scenario():
        world = World(idle=0.01)
        world.submit()
        quick = world.submit()
        engine = await world.engine(0)
        engine.be_ready()
        engine.answer()
        await quick.response
        await until(lambda: engine.closed)
        assert world.pool.processes == 0

    asyncio.run(scenario())


def test_the_thread_rests():
    """When the thread was idle for long enough it is told to rest, once, and again after it has worked."""

    async def scenario():
        world = World(idle=0.01)
        await until(lambda: world.thread.rests == 1)
        request = world.submit()
        await asyncio.sleep(0.05)  # many times as long as it may idle: it does not idle now
        assert world.thread.rests == 1
        world.thread.answer()
        await request.response
        await until(lambda: world.thread.rests == 2)
        await asyncio.sleep(0.05)
        assert world.thread.rests == 2

    asyncio.run(scenario())


def test_a_client_that_left_while_it_waited():
    """Nothing is run for a client that did not wait for its turn; the next one gets it."""

    async def scenario():
        world = World(engines=0, patience=10.0)
        first = world.submit()
        gone, stays = world.submit(left=lambda: True), world.submit()
        world.thread.answer()
        await first.response
        with pytest.raises(Busy, match="did not wait"):
            await gone.response
        assert len(world.thread.calls) == 2
        world.thread.answer(b"stays")
        assert bytes((await stays.response).body) == b"stays"
        assert (world.pool.running, world.pool.waiting) == (0, 0)

    asyncio.run(scenario())


def test_waiting_too_long():
    """A request that did not get its turn in time is told to come back."""

    async def scenario():
        world = World(engines=0, wait=0.01, patience=10.0)
        world.submit()
        waiting = world.submit()
        with pytest.raises(Busy):
            await waiting.response

    asyncio.run(scenario())


class Rest:
    """The rest of a request's body, as the test gives it."""

    trailers = ()

    def __init__(self):
        self.parts = asyncio.Queue()
        self.closed = False

    async def read(self):
        part = await self.parts.get()
        if isinstance(part, Exception):
            raise part
        return part

    def close(self):
        self.closed = True


def test_a_body_that_still_comes_goes_to_a_process():
    """The rest of a body is written into the pipe of a process, whose end is the body's end."""

    async def scenario():
        world = World()
        rest = Rest()
        exchange = world.submit(rest)
        engine = await world.engine(0)
        assert not world.thread.calls
        engine.be_ready()
        for part in (b"one ", b"two", b""):
            rest.parts.put_nowait(part)
        read = await asyncio.to_thread(lambda: b"".join(iter(lambda: os.read(engine.descriptor, 100), b"")))
        assert read == exchange.call.stdin + b"one two"
        engine.answer()
        await exchange.response

    asyncio.run(scenario())


def test_a_body_that_still_comes_holds_up_nobody():
    """While no process can be had for a body that still comes, the thread answers the others."""

    async def scenario():
        world = World(engines=0)
        world.submit(Rest())
        other = world.submit()
        world.thread.answer(b"other")
        assert bytes((await other.response).body) == b"other"

    asyncio.run(scenario())


def test_no_more_processes_than_can_compute():
    """For guests that compute there is a worker for each slot, however many requests wait."""

    async def scenario():
        world = World(slots=2, patience=60.0)
        world.thread.seconds = asyncio.get_running_loop().time
        for _ in range(20):
            world.submit()
        engine = await world.engine(0)
        engine.seconds = asyncio.get_running_loop().time
        engine.be_ready()
        await asyncio.sleep(0.05)
        assert len(world.engines.started) == 1

    asyncio.run(scenario())


def test_trailers_are_told_before_the_pipe_ends():
    """The process that has read to the end of the pipe finds the trailers in its socket."""

    async def scenario():
        world = World()
        rest = Rest()
        exchange = world.submit(rest)
        engine = await world.engine(0)
        engine.be_ready()
        rest.parts.put_nowait(b"body")
        read = b""
        while not read.endswith(b"body"):
            read += await asyncio.to_thread(os.read, engine.descriptor, 100)
        assert not engine.trailers
        rest.trailers = ((b"x-sum", b"1"),)
        rest.parts.put_nowait(b"")
        assert await asyncio.to_thread(os.read, engine.descriptor, 100) == b""
        assert engine.trailers == rest.trailers
        engine.answer()
        await exchange.response

    asyncio.run(scenario())


def test_one_at_a_time():
    """Where one guest may run at once, what only a process may run has one all the same."""

    async def scenario():
        world = World(most=1)
        rest = Rest()
        feeds = world.submit(rest)
        engine = await world.engine(0)
        engine.be_ready()
        other = world.submit()
        rest.parts.put_nowait(b"")
        await until(lambda: engine.calls)
        assert world.pool.running == 1
        engine.answer()
        await feeds.response
        await until(lambda: len(engine.calls) == 2)
        engine.answer(b"other")
        assert bytes((await other.response).body) == b"other"

    asyncio.run(scenario())


def test_bodies_that_still_come_leave_room_in_a_component():
    """Of a component's own runs at once, those that wait for their clients take no more than half."""

    async def scenario():
        world = World()
        world.target.quota.most = 2
        for _ in range(2):
            world.submit(Rest())
        (await world.engine(0)).be_ready()
        await until(lambda: world.target.quota.feeding == 1)
        other = world.submit()
        await until(lambda: world.thread.busy)
        world.thread.answer(b"other")
        assert bytes((await other.response).body) == b"other"
        await asyncio.sleep(0.05)
        assert (world.target.quota.feeding, len(world.engines.started)) == (1, 1)

    asyncio.run(scenario())


def test_a_body_that_breaks_off():
    """No guest takes a body that broke off for a whole one: its process is killed."""

    async def scenario():
        world = World()
        rest = Rest()
        exchange = world.submit(rest)
        engine = await world.engine(0)
        engine.be_ready()
        rest.parts.put_nowait(BrokenBodyError("the client has gone"))
        with pytest.raises(GuestTrap, match="the client has gone"):
            await exchange.response
        assert engine.killed == Outcome("the request broke off: the client has gone")

    asyncio.run(scenario())


def test_close():
    """Closing ends every process."""

    async def scenario():
        world = World()
        world.submit()
        world.submit()
        engine = await world.engine(0)
        world.pool.close()
        assert engine.closed
        assert world.thread.closed

    asyncio.run(scenario())


def test_a_run_that_cannot_begin():
    """What cannot be started fails alone, and gives its place back."""

    async def scenario():
        world = World()
        good, world.target.call = world.target.call, None
        failed = world.submit()
        with pytest.raises(GuestTrap, match="TypeError"):
            await failed.response
        world.target.call = good
        other = world.submit()
        world.thread.answer(b"other")
        assert bytes((await other.response).body) == b"other"
        assert world.pool.running == 0

    asyncio.run(scenario())


def test_a_look_that_fails(capsys):
    """An exception in looking at one guest keeps nobody from their time limits."""

    async def scenario():
        world = World(seconds=0.01, slots=2)
        world.thread.sleeps = None
        world.submit()
        blocked = world.submit()
        (await world.engine(0)).be_ready()
        with pytest.raises(GuestTimeout):
            await blocked.response

    asyncio.run(scenario())
    assert "TypeError" in capsys.readouterr().err


def test_slow_uploads_do_not_have_every_process():
    """Requests whose bodies still come run in half of the processes; the others are for everybody."""

    async def scenario():
        world = World(most=4, slots=8)
        for _ in range(8):
            world.submit(Rest())
        for number in (0, 1):
            (await world.engine(number)).be_ready()
        await until(lambda: world.pool.running == 2)
        world.submit()
        world.submit()
        await until(lambda: world.pool.running == 4 or len(world.engines.started) > 2)
        (await world.engine(2)).be_ready()
        await until(lambda: world.pool.running == 4)
        assert world.pool.waiting == 6

    asyncio.run(scenario())


def test_an_end_is_told_before_what_is_left_is_given_up():
    """To give an instance up takes as long as a small run: nobody waits for it but the next call."""
    told, order = threading.Event(), []

    class Leaves:
        def __call__(self, call, stdout):
            order.append(f"run {call.component}")
            return Outcome()

        def tidy(self, component):
            assert told.wait(60)
            order.append(f"tidy {component}")

    async def scenario():
        worker = ThreadWorker(Leaves())
        ends = [asyncio.get_running_loop().create_future() for _ in range(2)]
        for number, ended in enumerate(ends):
            worker.start(Call(number), ended.set_result)
        async with asyncio.timeout(30):
            await ends[0]
        assert order == ["run 0"]
        told.set()
        await ends[1]
        worker.close()

    asyncio.run(scenario())
    assert order[:3] == ["run 0", "tidy 0", "run 1"]


def test_a_thread_survives_what_it_runs():
    """An exception in the thread that runs guests is one failed request; the thread goes on."""

    class Failing:
        def __call__(self, call, stdout):
            raise MemoryError(call.component)

        def tidy(self, component):
            pass

    async def scenario():
        worker = ThreadWorker(Failing())
        for number in range(2):
            ended = asyncio.get_running_loop().create_future()
            worker.start(Call(number), ended.set_result)
            assert (await ended).failure == f"MemoryError: {number}"
        worker.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("streamed", [False, True])
def test_a_process_that_died_while_it_was_idle(streamed):
    """A request that is given to a process which has just died has not begun: the next process takes it."""

    async def scenario():
        world = World(slots=2, patience=60.0)
        world.thread.seconds = asyncio.get_running_loop().time
        world.submit()
        first = world.submit()
        engine = await world.engine(0)
        engine.be_ready()
        engine.answer()
        await first.response
        engine.dead = True
        again = world.submit(Rest() if streamed else None)
        other = await world.engine(1)
        other.be_ready()
        other.answer(b"again")
        assert bytes((await again.response).body) == b"again"

    asyncio.run(scenario())


def test_processes_that_are_retired():
    """When the app's values change, a process that runs ends its request, and none that is there gets another."""

    async def scenario():
        world = World(slots=3, patience=10.0)
        requests = [world.submit() for _ in range(3)]
        idle, busy = [await world.engine(number) for number in range(2)]
        idle.be_ready()
        busy.be_ready()
        idle.answer()
        last = world.submit()
        assert len(idle.calls) == 2
        idle.answer()
        await last.response
        world.pool.retire()
        assert (idle.closed, busy.closed) == (True, False)
        busy.answer(b"as before")
        assert busy.closed
        world.thread.answer()
        for each in requests:
            await each.response
        assert world.pool.processes == 0

    asyncio.run(scenario())


def test_a_process_that_starts_is_retired_too():
    """It was started with the old values: it is closed when it is ready, and the request is another's."""

    async def scenario():
        world = World(patience=0.001)
        world.submit()
        waiting = world.submit()
        old = await world.engine(0)
        world.pool.retire()
        old.be_ready()
        assert (old.closed, old.calls) == (True, [])
        new = await world.engine(1)
        new.be_ready()
        new.answer(b"new")
        assert bytes((await waiting.response).body) == b"new"

    asyncio.run(scenario())


def test_where_no_thread_can_be_had(monkeypatch):
    """A call that gets no thread has failed, and the next one gets its own."""

    def refuse(_):
        raise RuntimeError("can't start new thread")

    class Quick:
        def __call__(self, call, stdout):
            return Outcome()

        def tidy(self, component):
            pass

    async def runs():
        worker = ThreadWorker(Quick())
        outcomes = []
        for patched in (True, False):
            ended = asyncio.get_running_loop().create_future()
            with monkeypatch.context() as patch:
                if patched:
                    patch.setattr(threading.Thread, "start", refuse)
                worker.start(Call(0), ended.set_result)
            outcomes.append(await ended)
        worker.close()
        return outcomes

    refused, ran = asyncio.run(runs())
    assert "can't start new thread" in refused.failure
    assert ran == Outcome()


def test_many_that_cannot_begin():
    """However many requests wait, one that cannot begin costs no more than its own answer."""

    async def scenario():
        world = World(patience=10.0)
        first, *others = (world.submit() for _ in range(1000))

        def start(*_):
            raise OSError("no descriptor is left")

        world.thread.start = start
        world.thread.answer(b"first")
        assert bytes((await first.response).body) == b"first"
        assert (world.pool.running, world.pool.waiting) == (0, 0)
        for each in others:
            with pytest.raises(GuestTrap, match="no descriptor"):
                each.response.result()

    asyncio.run(scenario())
