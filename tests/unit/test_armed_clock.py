"""The event loop's clock: what it returns in time, and what it gives up."""

from __future__ import annotations

import asyncio

import pytest

from actions.armed_clock import LoopClock
from tests.fix_armed_world import forever, made_up_time

CLOCK = LoopClock()


@made_up_time
async def test_what_is_ready_in_time_is_returned() -> None:
    assert await CLOCK.within(1.0, asyncio.sleep(0.5, "ready")) == "ready"
    assert CLOCK.now_s() == pytest.approx(0.5)


@made_up_time
async def test_what_goes_wrong_in_time_is_raised() -> None:
    async def wrong() -> None:
        raise KeyError("no")

    with pytest.raises(KeyError):
        await CLOCK.within(1.0, wrong())


@made_up_time
async def test_work_that_will_not_be_cancelled_is_left_behind() -> None:
    """psycopg takes five seconds to cancel."""
    ended: list[float] = []

    async def stubborn() -> None:
        try:
            await forever()
        finally:
            await asyncio.sleep(5.0)
            ended.append(CLOCK.now_s())

    with pytest.raises(TimeoutError, match="no answer within"):
        await CLOCK.within(1.0, stubborn())
    assert CLOCK.now_s() == pytest.approx(1.0)
    await CLOCK.sleep(10.0)
    assert ended == [pytest.approx(6.0)]


@made_up_time
async def test_an_error_of_work_that_was_given_up_troubles_nobody() -> None:
    async def late() -> None:
        try:
            await forever()
        finally:
            raise KeyError("too late")

    troubles: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, about: troubles.append(about))
    with pytest.raises(TimeoutError):
        await CLOCK.within(1.0, late())
    await CLOCK.sleep(1.0)
    assert troubles == []


@made_up_time
async def test_cancelled_it_cancels_the_work_and_does_not_wait_for_it() -> None:
    seen: list[str] = []

    async def work() -> None:
        try:
            await forever()
        finally:
            seen.append("cancelled")

    task = asyncio.ensure_future(CLOCK.within(10.0, work()))
    await CLOCK.sleep(1.0)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    await CLOCK.sleep(0.0)
    assert seen == ["cancelled"]
    assert CLOCK.now_s() == pytest.approx(1.0)


@made_up_time
async def test_work_that_another_cancelled_is_no_cancelling_of_ours() -> None:
    async def cancelled_underneath() -> None:
        raise asyncio.CancelledError

    with pytest.raises(TimeoutError):
        await CLOCK.within(1.0, cancelled_underneath())
