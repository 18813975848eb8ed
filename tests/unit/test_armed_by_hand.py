"""The armed sequence one key a step: the same stages, the same undo, the same timers."""

from __future__ import annotations

import asyncio

import pytest

from actions.armed import ArmedSequence
from actions.armed_stages import AFTER_THE_TURN, STAGES, Stage
from tests.fix_armed_plan import Plan
from tests.fix_armed_sides import sequence
from tests.fix_armed_world import World, forever, made_up_time, now_s

WHOLE_S = 300.0
BETWEEN_KEYS_S = 7.0


class Operator:
    """Presses the key for each stage after a while, and for one of them never."""

    def __init__(self, never: str = "") -> None:
        self.never = never
        self.pressed: list[str] = []

    async def key(self, stage: Stage) -> None:
        if stage.name == self.never:
            await forever()
        await asyncio.sleep(BETWEEN_KEYS_S)
        self.pressed.append(stage.name)


def by_hand() -> tuple[World, Plan, ArmedSequence]:
    world, plan = World(), Plan()
    return world, plan, sequence(world, plan, whole_s=WHOLE_S)


@made_up_time
async def test_every_stage_but_the_first_waits_for_its_key() -> None:
    world, plan, made = by_hand()
    operator = Operator()
    await made.arm()
    assert await made.run(operator.key) == "moved"
    assert operator.pressed == [stage.name for stage in STAGES[1:]]
    assert world.flows()
    assert plan.states()[-1] == "moved"


@pytest.mark.parametrize("stage", [stage.name for stage in STAGES[1:6]])
@made_up_time
async def test_a_key_that_never_comes_before_the_turn_aborts(stage: str) -> None:
    world, plan, made = by_hand()
    await made.arm()
    assert await made.run(Operator(never=stage).key) in ("aborted", "disarmed")
    assert WHOLE_S - 3 < now_s() - plan.said[1].at_s < WHOLE_S - 1
    assert world.flows()
    assert world.pooler.points_to is world.old


@pytest.mark.parametrize("stage", [stage.name for stage in AFTER_THE_TURN])
@made_up_time
async def test_a_key_that_never_comes_after_the_turn_holds_nobody_up(stage: str) -> None:
    world, plan, made = by_hand()
    await made.arm()
    assert await made.run(Operator(never=stage).key) == "moved"
    assert now_s() - plan.said[1].at_s < WHOLE_S
    assert world.flows()


@pytest.mark.parametrize("stage", [stage.name for stage in STAGES[1:6]])
@made_up_time
async def test_the_abort_key_counts_while_it_waits_for_another(stage: str) -> None:
    world, plan, made = by_hand()
    await made.arm()
    task = asyncio.ensure_future(made.run(Operator(never=stage).key))
    await asyncio.sleep(100)
    made.abort("the operator has seen enough")
    assert await task in ("aborted", "disarmed")
    assert plan.said[-1].says == "the operator has seen enough"
    assert world.flows()
    assert now_s() < 101


@made_up_time
async def test_the_operator_is_not_asked_once_it_is_undone_or_recovered() -> None:
    world, plan, made = by_hand()
    plan.faults = {"old.turn": "answer lost"}
    operator = Operator()
    await made.arm()
    assert await made.run(operator.key) == "moved"
    assert operator.pressed[-1] == "turn"
    assert world.flows()
