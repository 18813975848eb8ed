"""The armed sequence after the turn, after the death of its engine, and in the next attempt."""

from __future__ import annotations

import asyncio

import pytest

from tests.fix_armed_plan import EngineKilled
from tests.fix_armed_sides import again, scene, sequence
from tests.fix_armed_world import made_up_time, now_s

# After the turn


@made_up_time
async def test_after_the_turn_everything_is_tried_until_it_holds() -> None:
    one = scene({"new.open": "new crashes", "pool.point": "answer lost", "pool.resume": "raises"})
    assert await one.go() == "moved"
    assert one.plan.calls.count("new.open") > 2
    assert one.world.flows()


@made_up_time
async def test_a_new_server_that_dies_right_after_the_turn_is_writes_stopped() -> None:
    one = scene({"new.open": "new dies"})
    await one.made.arm()
    task = asyncio.ensure_future(one.made.run())
    await asyncio.wait({task}, timeout=30)
    assert one.plan.states()[-1] == "stopped"
    assert "new has to answer: it holds every write" in one.plan.said[-1].says
    assert one.plan.said[-1].choices[0].startswith("bring new back")
    assert not one.world.old.may_log_in
    one.world.new.up = True
    assert await task == "moved"
    assert one.world.flows()


@made_up_time
async def test_a_pooler_that_dies_after_the_turn_is_named() -> None:
    one = scene({"pool.point": "pooler dies"})
    await one.made.arm()
    task = asyncio.ensure_future(one.made.run())
    await asyncio.wait({task}, timeout=30)
    assert "pool has to lead clients to new" in one.plan.said[-1].says


@made_up_time
async def test_cancelled_after_the_turn_it_finishes_first() -> None:
    one = scene({"new.open": "cancelled", "pool.point": "cancelled"})
    await one.made.arm()
    task = asyncio.ensure_future(one.made.run())
    one.plan.on_cancel = task.cancel
    await asyncio.wait({task})
    assert task.cancelled()
    assert one.plan.states()[-4:] == ["opened", "switched", "resumed", "moved"]


@made_up_time
async def test_once_writes_are_stopped_it_may_be_left() -> None:
    one = scene({"new.open": "new dies", "new.open#3": "cancelled"})
    await one.made.arm()
    task = asyncio.ensure_future(one.made.run())
    one.plan.on_cancel = task.cancel
    await asyncio.wait({task}, timeout=60)
    assert task.cancelled()
    assert one.plan.states()[-1] == "stopped"


@made_up_time
async def test_a_timer_that_cannot_be_taken_away_is_said_and_holds_nobody_up() -> None:
    one = scene({"old.lift_timers": "raises", "journal.settled": "hangs"})
    assert await one.go() == "moved"
    said = [said.says for said in one.plan.said if said.state == "moved"]
    assert len(said) == 3
    assert "connection reset" in said[1]
    assert "journal: sync: TimeoutError" in said[2]


# When the engine dies


@made_up_time
async def test_without_an_engine_the_old_server_opens_and_a_second_later_clients_go_on() -> None:
    one = scene({"old.mark#2": "engine dies after"})
    with pytest.raises(EngineKilled):
        await one.go()
    killed_s = one.began_s()
    await asyncio.sleep(killed_s + 10.05 - now_s())
    assert one.world.old.may_log_in
    assert one.world.pooler.paused
    await asyncio.sleep(1.0)
    assert one.world.flows()


@made_up_time
async def test_an_engine_started_again_before_the_turn_aborts() -> None:
    one = scene({"old.mark#2": "engine dies after"})
    with pytest.raises(EngineKilled):
        await one.go()
    assert await again(one) == "aborted"
    assert one.world.flows()


@made_up_time
async def test_an_engine_started_again_after_the_turn_finishes() -> None:
    one = scene({"new.open": "engine dies"})
    with pytest.raises(EngineKilled):
        await one.go()
    assert await again(one) == "moved"
    assert one.world.pooler.points_to is one.world.new


@made_up_time
async def test_the_journals_word_for_the_turn_is_enough_when_the_old_server_is_gone() -> None:
    one = scene({"new.open": "engine dies"})
    with pytest.raises(EngineKilled):
        await one.go()
    one.world.crash(one.world.old, for_good=True)
    assert await again(one, turned=True) == "moved"
    assert one.plan.calls[-1] == "journal.settled"
    assert "old.abort" not in one.plan.calls


@made_up_time
async def test_an_engine_started_again_after_the_timer_only_resumes() -> None:
    one = scene({"old.mark#2": "engine dies after"})
    with pytest.raises(EngineKilled):
        await one.go()
    await asyncio.sleep(10.5)
    assert await again(one) == "aborted"
    assert one.world.flows()


@made_up_time
async def test_an_engine_started_again_before_anything_was_armed_resumes_to_be_safe() -> None:
    one = scene()
    one.world.pooler.paused = True
    assert await again(one) == "aborted"
    assert one.world.flows()


@made_up_time
async def test_what_a_dead_engine_asked_for_too_late_is_refused() -> None:
    one = scene({"old.arm": "engine dies, late by 0.6"})
    with pytest.raises(EngineKilled):
        await one.go()
    assert await again(one) == "aborted"
    await asyncio.sleep(1.0)
    assert list(one.world.old.arbiter.values()) == ["aborted"]
    assert not one.world.old.timers


@made_up_time
async def test_a_fence_that_arrives_after_the_abort_does_not_close_the_server() -> None:
    one = scene({"old.fence": "engine dies, late by 0.6"})
    with pytest.raises(EngineKilled):
        await one.go()
    assert await again(one) == "aborted"
    await asyncio.sleep(1.0)
    assert one.world.flows()


# One attempt and the next


@pytest.mark.parametrize("fires_s", [10.0, 11.0], ids=["old server's", "pooler's"])
@pytest.mark.parametrize("early_ms", range(-2, 24))
@made_up_time
async def test_timers_left_by_one_attempt_never_touch_the_next(
    early_ms: int, fires_s: float
) -> None:
    """The first engine dies in mid-pause; its timer would fire somewhere in the second attempt."""
    one = scene({"old.mark#2": "engine dies after"})
    with pytest.raises(EngineKilled):
        await one.go()
    one.plan.engine += 1
    await asyncio.sleep(one.began_s() + fires_s - early_ms / 1000 - now_s())
    one.world.resume()
    second = sequence(one.world, one.plan, number=2)
    await second.arm()
    assert await second.run() == "moved"
    assert one.world.flows()
    await asyncio.sleep(15)
    assert one.world.flows()


@made_up_time
async def test_after_an_abort_the_next_attempt_moves() -> None:
    one = scene({"old.turn": "raises"})
    assert await one.go() == "aborted"
    second = sequence(one.world, one.plan, number=2)
    await second.arm()
    assert await second.run() == "moved"
    assert one.world.lost() == []
