"""What may be done when: every refusal says what is in the way, by the night as it stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from engine import rules
from profiles import events as ev
from profiles import requests as rq
from profiles.errors import RefusedError
from profiles.findings import Finding
from profiles.fold import Night, fold
from profiles.steps import LooseEnd, Sql, Step
from tests.fix_looks import A_PROFILE

SQL = Sql(server="old", database="app", text="SELECT 1")
SLOT = LooseEnd(id="slot@old/app", server="old", what="the slot", settled_by="undo-slot@old/app")
ARMED = ev.Armed(attempt=1, direction="forward", roles=(), may_still_write=(), deadline_s=10.0)


def a_step(id_: str = "slot@old/app", phase: str = "replication", **more: Any) -> Step:
    return Step(id=id_, phase=phase, title=f"Do {id_}", commands=(SQL,), **more)


BEFORE, PAUSED = a_step("checkpoint@old", "cutover"), a_step("fence@old", "cutover", paused=True)
GATE = ev.GateRead(gate="behind", holds=True, figure="behind < 1 s")


def told(*events: ev.Event) -> Night:
    """The night after these events, numbered in their order."""
    return fold(msgspec.structs.replace(one, seq=n) for n, one in enumerate(events, start=1))


def ready(*more: ev.Event) -> Night:
    """A night that may be armed, and then these events."""
    plan = ev.Planned(phase="cutover", steps=(BEFORE, PAUSED))
    return told(plan, ev.StepEnded(step=BEFORE.id, outcome="done"), GATE, *more)


def moved(state: ev.StretchState) -> ev.StretchMoved:
    return ev.StretchMoved(attempt=1, state=state)


def test_a_night_that_is_ready_may_be_armed() -> None:
    rules.may_arm(ready(), A_PROFILE, "old")
    rules.may_arm(ready(ARMED, moved("aborted")), A_PROFILE, "old")


STOP = Finding(check="pg.x", phase="verify", verdict="stop", figure="3 rows are missing")


@pytest.mark.parametrize(
    ("night", "typed", "words"),
    [
        (ready(), "new", "“new” is not old"),
        (ready(ARMED), "old", "an attempt is armed"),
        (ready(ARMED, moved("moved")), "old", "has moved already"),
        (ready(ev.Found(finding=STOP)), "old", "3 rows are missing"),
        (told(GATE), "old", "there is no checklist"),
        (ready(ev.StepEnded(step=BEFORE.id, outcome="failed")), "old", "not done: Do checkpoint"),
        (ready(ev.GateRead(gate="behind", holds=False, figure="7.2 s")), "old", "closed: 7.2 s"),
        (ready(ev.EngineStarted(pid=7, resumed=True)), "old", "nothing has been measured yet"),
    ],
)
def test_why_it_may_not_be_armed(night: Night, typed: str, words: str) -> None:
    with pytest.raises(RefusedError, match=words):
        rules.may_arm(night, A_PROFILE, typed)


def test_a_stop_that_is_looked_at_again_anyway_is_not_held_against_it() -> None:
    again = msgspec.structs.replace(STOP, check="pooler.pool_mode")
    rules.may_arm(ready(ev.Found(finding=again)), A_PROFILE, "old")


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (PAUSED, "part of the armed stretch"),
        (a_step(by_hand=True), "only a person"),
        (a_step(after_turn=True), "still on the old server"),
        (a_step(danger="restarts it", servers=("old", "pool")), r"restarts it.*name: old, pool"),
    ],
)
def test_why_a_step_may_not_be_run(step: Step, words: str) -> None:
    with pytest.raises(RefusedError, match=words):
        rules.may_run(ready(), step)


def test_what_is_not_done_to_a_server_with_users_on_it() -> None:
    step = a_step(before_turn=True)
    rules.may_run(ready(), step)
    with pytest.raises(RefusedError, match="on the new server by now"):
        rules.may_run(ready(ARMED, moved("moved")), step)


def test_a_dangerous_step_may_run_once_every_name_was_typed() -> None:
    step = a_step(danger="restarts it", servers=("old",))
    rules.may_run(told(ev.Confirmed(phase="replication", server="old")), step)
    with pytest.raises(RefusedError, match="restarts it"):
        rules.may_run(told(ev.Confirmed(phase="preflight", server="old")), step)


def test_nothing_else_is_done_while_an_attempt_is_armed() -> None:
    night, step = ready(ARMED, moved("paused")), a_step()
    refusals: list[Callable[[], None]] = [
        lambda: rules.may_run(night, step),
        lambda: rules.may_do_by_hand(night, step),
        lambda: rules.may_skip(night, step, "a reason"),
        lambda: rules.may_end(night),
        lambda: rules.not_armed(night, "preflight", "look"),
    ]
    for refused in refusals:
        with pytest.raises(RefusedError, match="an attempt is armed"):
            refused()


def test_leaving_out_needs_a_reason_and_settling_cannot_be_left_out() -> None:
    for reason in ("", "  \n"):
        with pytest.raises(RefusedError, match="there is no reason"):
            rules.may_skip(ready(), a_step(), reason)
    for step in (PAUSED, a_step(settles=SLOT.id)):
        with pytest.raises(RefusedError, match="cannot end without it"):
            rules.may_skip(ready(), step, "a reason")
    rules.may_skip(ready(), a_step(), "a reason")


def test_by_hand_is_for_what_stands_outside_the_stretch() -> None:
    rules.may_do_by_hand(ready(), a_step(by_hand=True))
    with pytest.raises(RefusedError, match="part of the armed stretch"):
        rules.may_do_by_hand(ready(), PAUSED)


def test_a_night_with_a_loose_end_does_not_end() -> None:
    lent = ev.LooseEndOpened(loose_end=SLOT)
    with pytest.raises(RefusedError, match="still open: the slot"):
        rules.may_end(ready(lent))
    rules.may_end(ready(lent, ev.LooseEndSettled(id=SLOT.id)))


def test_an_engine_that_finishes_a_move_is_not_stopped() -> None:
    rules.may_stop(ready(ARMED, moved("paused")))
    with pytest.raises(RefusedError, match="finishing the move"):
        rules.may_stop(ready(ARMED, moved("turned")))
    rules.may_stop(ready(ARMED, moved("turned"), moved("moved")))


def test_a_step_that_no_plan_has() -> None:
    with pytest.raises(RefusedError, match="no plan has it"):
        rules.step_of(ready(), "nonsense@old")
    assert rules.step_of(ready(), BEFORE.id) == BEFORE


def test_a_key_pressed_before_the_last_change_was_seen_is_refused() -> None:
    night = ready(ARMED, moved("armed"), moved("paused"))
    rules.fresh(night, rq.Go(id="a", attempt=1, seen_seq=night.seq))
    late = rq.Go(id="b", attempt=1, seen_seq=night.seq - 1)
    with pytest.raises(RefusedError, match="has changed since this was asked: paused"):
        rules.fresh(night, late)
    for taken in (rq.Abort(id="c"), rq.Stop(id="d"), rq.Cancel(id="e"), rq.Probe(id="f", phase="")):
        rules.fresh(night, taken)


def test_what_is_said_after_the_end_of_a_stretch_makes_nothing_stale() -> None:
    night = ready(ARMED, moved("moved"), moved("moved"), ev.Said(text="well done"))
    rules.fresh(night, rq.EndNight(id="a", seen_seq=5))
    with pytest.raises(RefusedError, match="has changed"):
        rules.fresh(night, rq.EndNight(id="b", seen_seq=4))
    rules.fresh(ready(), rq.EndNight(id="c"))
