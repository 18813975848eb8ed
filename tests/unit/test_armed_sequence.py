"""The armed sequence, as its specification: what it does when all goes well, and when it does not.

What holds whatever goes wrong at whatever moment is in ``test_armed_simulation``; going through it
one key a step in ``test_armed_by_hand``.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from actions.armed import ArmedSequence
from profiles.errors import EvidenceError, RefusedError, ServerLostError
from profiles.events import StretchState
from tests.fix_armed_sides import EngineKilled, Plan, sequence
from tests.fix_armed_world import BACK_AFTER_S, World, made_up_time, now_s

WAY_OVER: list[StretchState] = [
    *("armed", "armed", "paused", "fenced", "drained", "sequences", "turned"),
    *("opened", "switched", "resumed", "moved"),
]


@dataclass
class Scene:
    """One attempt in a world, with what goes wrong in it."""

    world: World
    plan: Plan
    made: ArmedSequence

    async def go(self) -> StretchState:
        await self.made.arm()
        return await self.made.run()

    def calls(self, *names: str) -> list[str]:
        """Those calls, in the order in which they came."""
        return [name for name in self.plan.calls if name in names]

    def says(self, state: StretchState) -> str:
        return next(said.says for said in self.plan.said if said.state == state)

    def began_s(self) -> float:
        return self.plan.said[1].at_s


def scene(faults: dict[int | str, str] | None = None) -> Scene:
    world, plan = World(), Plan(faults or {})
    return Scene(world, plan, sequence(world, plan))


async def again(one: Scene, *, turned: bool = False) -> StretchState:
    """The engine dies, and another one recovers."""
    one.plan.engine += 1
    one.made = sequence(one.world, one.plan)
    return await one.made.recover(turned=turned)


# When all goes well


@made_up_time
async def test_the_writes_are_carried_over_in_order() -> None:
    one = scene()
    assert await one.go() == "moved"
    assert one.plan.states() == WAY_OVER
    assert one.world.flows()
    assert one.world.pooler.points_to is one.world.new
    assert one.world.lost() == []


@made_up_time
async def test_only_sequences_that_moved_are_set_while_writes_wait() -> None:
    one = scene()
    await one.go()
    preset, again_ = (call for call in one.plan.calls if call.startswith("new.set_sequences"))
    assert preset == "new.set_sequences(used, never used)"
    assert again_ == "new.set_sequences(used)"
    assert one.plan.calls.index(preset) < one.plan.calls.index("pool.pause")


@made_up_time
async def test_the_last_look_is_the_last_act_before_the_turn() -> None:
    one = scene()
    await one.go()
    assert one.plan.calls[one.plan.calls.index("old.turn") - 1] == "old.strangers"


@made_up_time
async def test_intent_is_on_disk_and_the_timers_are_seen_before_the_pause() -> None:
    one = scene()
    await one.go()
    names = ("journal.intent", "old.timers_stand", "pool.timers_stand", "pool.pause")
    assert one.calls(*names)[-4:] == list(names)
    assert one.calls("pool.resume", "journal.settled") == ["pool.resume", "journal.settled"]


@made_up_time
async def test_no_timer_is_left() -> None:
    one = scene()
    await one.go()
    assert not one.world.old.timers
    assert not one.world.pooler.timers


@made_up_time
async def test_the_pause_is_counted_from_pause_to_resume() -> None:
    one = scene()
    await one.go()
    paused = {said.state: said.paused_ms for said in one.plan.said}
    assert paused["armed"] is None
    assert paused["resumed"] is not None
    assert paused["moved"] == paused["resumed"] == pytest.approx(11.8, abs=0.5)


@made_up_time
async def test_it_always_says_what_aborting_would_mean() -> None:
    one = scene()
    await one.go()
    means = {said.state: said.aborting_means for said in one.plan.said}
    assert means["armed"] == "nothing is paused: the timers are taken away"
    assert means["drained"].startswith("old is opened again, then clients go on there")
    assert means["turned"] == "not possible any more: the writes belong to new"


# Arming


@made_up_time
async def test_arming_changes_nothing_for_anybody() -> None:
    one = scene()
    await one.made.arm()
    assert one.made.state == "armed"
    assert one.world.flows()
    assert one.world.gaps == []
    assert one.world.old.arbiter == {}
    assert not one.world.pooler.timers


@made_up_time
async def test_arming_is_refused_when_the_new_server_is_open() -> None:
    one = scene()
    one.world.old.may_log_in, one.world.new.may_log_in = False, True
    with pytest.raises(RefusedError, match="may log in there already"):
        await one.made.arm()


@made_up_time
async def test_arming_is_refused_where_a_pooler_takes_no_timer() -> None:
    one = scene({"pool.timers_stand": "pooler timer vanishes"})
    with pytest.raises(EvidenceError, match="place the timer that resumes it"):
        await one.made.arm()


@made_up_time
async def test_going_is_refused_before_arming_and_after_disarming() -> None:
    one = scene()
    with pytest.raises(RefusedError, match="not armed"):
        await one.made.run()
    await one.made.arm()
    one.made.abort("thought better of it")
    assert one.plan.states()[-1] == "disarmed"
    with pytest.raises(RefusedError, match="not armed"):
        await one.made.run()


@made_up_time
async def test_an_abort_while_arming_ends_the_arming() -> None:
    one = scene({"old.sequences": "abort key"})
    with pytest.raises(RefusedError, match="the abort key"):
        await one.made.arm()
    assert one.made.state == "disarmed"


# Before the turn


@pytest.mark.parametrize("timer", ["old", "pooler"])
@made_up_time
async def test_nothing_is_paused_while_a_timer_is_missing(timer: str) -> None:
    one = scene({"journal.intent": f"{timer} timer vanishes"})
    assert await one.go() == "disarmed"
    assert "pool.pause" not in one.plan.calls
    assert "look for the timer that ends the pause" in one.says("disarmed")


@made_up_time
async def test_nothing_is_paused_when_the_journal_cannot_be_written() -> None:
    one = scene({"journal.intent": "raises"})
    assert await one.go() == "disarmed"
    assert one.world.gaps == []


@made_up_time
async def test_a_transaction_that_stays_open_gives_the_pause_up_in_its_own_time() -> None:
    one = scene({"pool.timers_stand#2": "stuck transaction"})
    assert await one.go() == "aborted"
    assert "a transaction stayed open" in one.says("aborted")
    assert one.world.old.may_log_in
    assert now_s() - one.began_s() < 2.2


@made_up_time
async def test_a_straggler_at_the_first_look_is_shown_out() -> None:
    one = scene({"old.strangers": "straggler"})
    assert await one.go() == "moved"
    assert one.calls("old.expel", "old.mark") == ["old.expel", "old.expel", "old.mark"]


@made_up_time
async def test_a_straggler_before_the_turn_aborts() -> None:
    one = scene({"old.strangers#2": "straggler"})
    assert await one.go() == "aborted"
    assert "straggler" in one.says("aborted")
    assert "old.turn" not in one.plan.calls
    assert one.world.lost() == []


@made_up_time
async def test_the_old_server_is_open_before_clients_go_on() -> None:
    one = scene({"new.has": "abort key"})
    assert await one.go() == "aborted"
    assert one.calls("old.fence", "old.abort", "pool.resume") == [
        *("old.fence", "old.abort", "pool.resume")
    ]


@made_up_time
async def test_a_marker_that_does_not_arrive_aborts_by_its_own_deadline() -> None:
    one = scene({"old.mark": "replication stalls"})
    assert await one.go() == "aborted"
    assert one.says("aborted") == "new: drain: the marker is not on new."
    assert 5.0 < now_s() - one.began_s() < 5.1


@made_up_time
async def test_the_whole_ends_by_itself_before_the_old_servers_timer_would() -> None:
    one = scene({"old.mark": "replication stalls"})
    one.made = sequence(one.world, one.plan, whole_s=5.0)
    assert await one.go() == "aborted"
    assert 4.0 < now_s() - one.began_s() < 4.1


@made_up_time
async def test_when_the_old_servers_timer_was_first_the_turn_is_lost() -> None:
    one = scene({"old.strangers#2": "freezes after"})
    assert await one.go() == "aborted"
    assert list(one.world.old.arbiter.values()) == ["aborted"]
    assert "new.open" not in one.plan.calls


@made_up_time
async def test_cancelled_it_undoes_first() -> None:
    one = scene({"old.mark": "cancelled"})
    await one.made.arm()
    task = asyncio.ensure_future(one.made.run())
    one.plan.on_cancel = task.cancel
    await asyncio.wait({task})
    assert task.cancelled()
    assert one.plan.states()[-1] == "aborted"
    assert one.says("aborted") == "the engine ends"
    assert one.world.flows()


@made_up_time
async def test_an_error_nobody_thought_of_is_raised_after_it_was_undone() -> None:
    one = scene({"new.has": "raises something else"})
    with pytest.raises(KeyError, match="nobody thought of this"):
        await one.go()
    assert one.plan.states()[-1] == "aborted"
    assert one.world.flows()


# The turn


@made_up_time
async def test_a_turn_whose_answer_is_lost_is_asked_for_and_not_guessed() -> None:
    one = scene({"old.turn": "answer lost"})
    assert await one.go() == "moved"
    assert one.calls("old.turn", "old.abort", "new.open") == ["old.turn", "old.abort", "new.open"]
    assert "the arbiter on old says that the turn was won" in one.says("turned")


@made_up_time
async def test_a_turn_that_never_got_there_is_undone() -> None:
    one = scene({"old.turn": "raises"})
    assert await one.go() == "aborted"
    assert "new.open" not in one.plan.calls


@made_up_time
async def test_while_the_arbiter_does_not_answer_nobody_is_opened() -> None:
    one = scene({"old.turn": "answer lost", "old.abort": "old crashes"})
    assert await one.go() == "moved"
    assert now_s() - one.began_s() > BACK_AFTER_S
    assert "stopped" not in one.plan.states()


@made_up_time
async def test_an_arbiter_that_never_answers_is_writes_stopped() -> None:
    one = scene({"old.turn": "old dies"})
    await one.made.arm()
    task = asyncio.ensure_future(one.made.run())
    await asyncio.wait({task}, timeout=60)
    assert not task.done()
    assert not one.world.old.may_log_in
    assert not one.world.new.may_log_in
    stopped = one.plan.said[-1]
    assert stopped.at_s - one.began_s() <= 10.1
    assert "old has to answer: only it can say whether it may be opened again" in stopped.says
    assert any("keep it off and open new by hand" in choice for choice in stopped.choices)


@made_up_time
async def test_aborting_is_refused_after_the_turn() -> None:
    one = scene()
    await one.go()
    with pytest.raises(RefusedError, match="the writes belong to new"):
        one.made.abort("too late")


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
    assert one.plan.states() == WAY_OVER


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
    one = scene({"new.has": "engine dies"})
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
    one = scene({"new.has": "engine dies"})
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
    one = scene({"new.has": "engine dies"})
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


@pytest.mark.parametrize("early_ms", range(-2, 24))
@made_up_time
async def test_timers_left_by_one_attempt_never_touch_the_next(early_ms: int) -> None:
    """The first engine dies in mid-pause; the first timer would fire somewhere in the second."""
    one = scene({"new.has": "engine dies"})
    with pytest.raises(EngineKilled):
        await one.go()
    one.plan.engine += 1
    await asyncio.sleep(one.began_s() + 10.0 - early_ms / 1000 - now_s())
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


@made_up_time
async def test_a_server_error_in_arming_is_told_as_it_is() -> None:
    one = scene({"new.is_open": "raises"})
    with pytest.raises(ServerLostError, match="connection reset"):
        await one.made.arm()
    assert one.made.state == "disarmed"
