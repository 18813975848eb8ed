"""Every single fault at every await of the armed sequence, and many pairs of them, in made-up time.

Safety is asserted by the world while it happens; here it is asked how each night ends.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actions.armed import ArmedSequence
from profiles.errors import NightferryError
from profiles.events import StretchState
from tests.fix_armed_plan import EVERY_FAULT, FROZEN_S, EngineKilled, Plan
from tests.fix_armed_sides import sequence
from tests.fix_armed_world import BACK_AFTER_S, Gap, World, in_made_up_time

WHOLE_S = 10.0
KEEPER_S = 0.3
ENOUGH_S = 60.0
"""How long an engine is watched trying, before it counts as trying for ever."""
ENDED = ("moved", "aborted", "disarmed")


@dataclass
class Night:
    """How it went, and what the last engine came to."""

    world: World
    plan: Plan
    came_to: StretchState | None = None
    """None: the engine was killed for good, or is trying still."""
    killed: bool = False


async def _engine(night: Night, *, recovers: bool) -> None:
    """One engine's life, until it ends, is killed, or has tried for long enough."""
    made = sequence(night.world, night.plan, whole_s=WHOLE_S)
    turned = "turned" in night.plan.states()
    work = made.recover(turned=turned) if recovers else _arm_and_run(made)
    task = asyncio.ensure_future(work)
    night.plan.on_cancel = task.cancel
    await asyncio.wait({task}, timeout=ENOUGH_S)
    if task.done():
        with contextlib.suppress(asyncio.CancelledError, NightferryError, KeyError):
            task.result()
        night.came_to = made.state


async def _arm_and_run(made: ArmedSequence) -> StretchState:
    await made.arm()
    return await made.run()


async def _night(faults: Mapping[int | str, str], *, returns: bool) -> Night:
    """One attempt, by as many engines as it takes; after an abort another one, undisturbed."""
    night = Night(World(), Plan(faults))
    recovers = False
    while not night.came_to:
        try:
            await _engine(night, recovers=recovers)
            break
        except EngineKilled:
            night.killed = not returns
            if not returns:
                break
            await asyncio.sleep(KEEPER_S)
            recovers = True
    _judge_the_end(night)
    await _try_again(night)
    await asyncio.sleep(WHOLE_S + 5)
    _judge_what_is_left(night)
    return night


async def _try_again(night: Night) -> None:
    """Whatever is left of the first attempt does not touch the second."""
    world, plan = night.world, night.plan
    await asyncio.sleep(BACK_AFTER_S + 0.1)
    if night.came_to not in ("aborted", "disarmed") or not _all_up(world):
        return
    plan.stuck, plan.turning, plan.faults = False, False, {}
    world.stalled = False
    assert await _arm_and_run(sequence(world, plan, number=2)) == "moved"
    assert world.flows()


def _all_up(world: World) -> bool:
    return world.old.up and world.new.up and world.pooler.up


def _judge_the_end(night: Night) -> None:
    """Where the sequence has ended, everything is as it says; where not, it could not be."""
    world = night.world
    home = world.new if world.moved() else world.old
    assert world.lost() == []
    if night.came_to in ENDED:
        assert (night.came_to == "moved") == world.moved()
        assert home.may_log_in
        assert not world.pooler.paused
        assert world.pooler.points_to is home
    elif not night.killed:
        assert "stopped" in night.plan.states()
        if night.came_to is None:
            known = "turned" in night.plan.states() or world.old.up
            assert not (known and home.up and world.pooler.up)


def _judge_what_is_left(night: Night) -> None:
    """After every timer has fired: no pause has outlived its deadline, with or without us."""
    world, came = night.world, night.plan.came
    assert world.lost() == []
    slack_s = 0.5 + FROZEN_S * sum("freezes" in fault for fault in came)
    on_its_own = "pooler timer vanishes" in came and (night.killed or len(came) > 1)
    for pause in [] if on_its_own else world.pauses:
        assert pause.ended_s is not None
        assert pause.ended_s - pause.began_s <= WHOLE_S + 1 + slack_s
    if night.killed and not world.moved() and not any("old" in fault for fault in came):
        assert world.old.may_log_in
    for gap in world.gaps:
        _judge_gap(night, gap, WHOLE_S + 1 + slack_s + _recovering_s(night))


def _recovering_s(night: Night) -> float:
    """A restarted engine is as patient as the one before was; one death alone needs none of it."""
    return KEEPER_S + night.plan.engine * (KEEPER_S + WHOLE_S) * (len(night.plan.came) > 1)


def _judge_gap(night: Night, gap: Gap, bound_s: float) -> None:
    """Writes flow again within the deadline, or it is said that they do not.

    A server that dies by itself after all was done is not ours to mend.
    """
    by_s = gap.began_s + bound_s
    flows = gap.ended_s is not None and gap.ended_s <= by_s
    said = any(it.state == "stopped" and it.at_s <= by_s for it in night.plan.said)
    ours = bool(night.world.pauses) and not night.killed
    ends = [said.at_s for said in night.plan.said if said.state in ENDED]
    after_the_end = bool(ends) and gap.began_s >= ends[0]
    opened_and_died = night.came_to == "aborted" and not night.world.old.up
    assert flows or said or after_the_end or opened_and_died or not ours


UNDISTURBED = in_made_up_time(_night({}, returns=True)).plan.calls


@pytest.mark.parametrize("fault", EVERY_FAULT)
@pytest.mark.parametrize("returns", [True, False], ids=["engine comes back", "no engine any more"])
def test_any_single_fault_at_any_await(fault: str, returns: bool) -> None:
    for at in range(len(UNDISTURBED)):
        try:
            in_made_up_time(_night({at: fault}, returns=returns))
        except BaseException as error:
            error.add_note(f"{fault} at {at} {UNDISTURBED[at]}")
            raise


FIRSTS = {
    "abort key": "old.mark",
    "engine dies": "old.expel",
    "engine dies after": "old.turn",
    "answer lost": "old.turn",
}


@pytest.mark.parametrize("fault", EVERY_FAULT)
@pytest.mark.parametrize("first", FIRSTS)
def test_any_second_fault_on_the_way_out(first: str, fault: str) -> None:
    """While it is undone, recovered or finished, it may go wrong once more."""
    at_first = max(at for at, call in enumerate(UNDISTURBED) if call == FIRSTS[first])
    calls = in_made_up_time(_night({at_first: first}, returns=True)).plan.calls
    for at in range(at_first + 1, min(len(calls), at_first + 25)):
        _survives({at_first: first, at: fault}, returns=True)


FAULTS = st.dictionaries(st.integers(0, 60), st.sampled_from(EVERY_FAULT), min_size=2, max_size=3)


@settings(max_examples=250, deadline=None, derandomize=True)
@given(
    faults=st.dictionaries(
        st.integers(0, 60), st.sampled_from(EVERY_FAULT), min_size=2, max_size=3
    ),
    returns=st.booleans(),
)
def test_several_faults_in_one_night(faults: dict[int | str, str], returns: bool) -> None:
    _survives(faults, returns=returns)


def _survives(faults: Mapping[int | str, str], *, returns: bool) -> None:
    try:
        in_made_up_time(_night(faults, returns=returns))
    except BaseException as error:
        error.add_note(f"{faults}, returns={returns}")
        raise
