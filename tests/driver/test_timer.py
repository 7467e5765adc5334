import asyncio

from wasmdeploy_driver.timer import Timer


def test_a_timer():
    """It calls once, when it was set to last; whether it will can be asked, and it can be stopped."""

    async def scenario():
        calls = []
        rung = asyncio.Event()
        timer = Timer(lambda: (calls.append(timer.runs), rung.set()))
        assert not timer.runs
        timer.set(3600)
        timer.set(0.001)
        assert timer.runs
        await asyncio.wait_for(rung.wait(), 20)
        assert calls == [False]
        timer.set_at(asyncio.get_running_loop().time())
        timer.stop()
        assert not timer.runs
        await asyncio.sleep(0.01)
        assert len(calls) == 1

    asyncio.run(scenario())
