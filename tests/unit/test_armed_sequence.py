"""The armed sequence, as its specification: what it does when all goes well, and when it does not.

What holds whatever goes wrong at whatever moment is in ``test_armed_simulation``; going through it
one key a step in ``test_armed_by_hand``.
"""

from __future__ import annotations

import asyncio

import pytest

from profiles.errors import EvidenceError, RefusedError, ServerLostError
from profiles.events import StretchState
from tests.fix_armed_sides import scene, sequence
from tests.fix_armed_world import BACK_AFTER_S, made_up_time, now_s

WAY_OVER: list[StretchState] = [
    *("armed", "armed", "paused", "fenced", "drained", "sequences", "turned"),
    *("opened", "switched", "resumed", "moved"),
]


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
    (pause,) = one.world.pauses
    assert pause.ended_s is not None
    assert paused["resumed"] == pytest.approx((pause.ended_s - pause.began_s) * 1000, abs=2.0)
    assert paused["moved"] == paused["resumed"]


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


@made_up_time
async def test_a_server_error_in_arming_is_told_as_it_is() -> None:
    one = scene({"new.is_open": "raises"})
    with pytest.raises(ServerLostError, match="connection reset"):
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
    assert one.calls("old.expel", "old.mark")[1:] == ["old.expel", "old.expel", "old.mark"]


@made_up_time
async def test_a_straggler_before_the_turn_aborts() -> None:
    one = scene({"old.strangers#2": "straggler"})
    assert await one.go() == "aborted"
    assert "straggler" in one.says("aborted")
    assert "old.turn" not in one.plan.calls
    assert one.world.lost() == []


@made_up_time
async def test_the_old_server_is_open_before_clients_go_on() -> None:
    one = scene({"old.mark#2": "abort key after"})
    assert await one.go() == "aborted"
    assert one.calls("old.fence", "old.abort", "pool.resume") == [
        *("old.fence", "old.abort", "pool.resume")
    ]


@made_up_time
async def test_what_is_far_behind_is_never_paused() -> None:
    one = scene({"old.mark": "replication stalls"})
    assert await one.go() == "disarmed"
    assert "paused" not in one.plan.states()
    assert not one.world.pooler.paused


@made_up_time
async def test_a_marker_that_does_not_arrive_aborts_by_its_own_deadline() -> None:
    one = scene({"old.mark#2": "replication stalls"})
    assert await one.go() == "aborted"
    assert one.says("aborted") == "new: drain: the marker is not on new."
    assert 5.0 < now_s() - one.began_s() < 5.1


@made_up_time
async def test_the_whole_ends_by_itself_before_the_old_servers_timer_would() -> None:
    one = scene({"old.mark#2": "replication stalls"})
    one.made = sequence(one.world, one.plan, whole_s=5.0)
    assert await one.go() == "aborted"
    assert 4.0 < now_s() - one.began_s() < 4.1


@made_up_time
async def test_when_the_old_servers_timer_was_first_the_turn_is_lost() -> None:
    one = scene({"old.strangers#2": "aborted by another after"})
    assert await one.go() == "aborted"
    assert "win the turn: it was aborted before" in one.says("aborted")
    assert "new.open" not in one.plan.calls


@made_up_time
async def test_an_engine_that_stood_still_past_the_deadline_finds_it_undone() -> None:
    one = scene({"old.strangers#2": "freezes after"})
    assert await one.go() == "aborted"
    assert list(one.world.old.arbiter.values()) == ["aborted"]
    assert one.world.flows()


@made_up_time
async def test_cancelled_it_undoes_first() -> None:
    one = scene({"old.mark#2": "cancelled"})
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
    one = scene({"old.mark#2": "raises something else"})
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
