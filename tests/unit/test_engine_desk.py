"""The desk of an engine that was started again in the middle, with nobody there to answer it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from actions.cutover import Fence, paused_steps
from actions.source import helpers
from engine.client import new_id
from profiles import events as ev
from profiles.errors import RefusedError
from profiles.requests import Abort, Arm, Go
from tests.fix_desk import AtTheDesk, a_desk
from tests.fix_looks import A_PROFILE

pytestmark = pytest.mark.usefixtures("nights_here")

FENCE = Fence(roles=["app"], exceptions=[], wizard="postgres")
PLAN = ev.Planned(phase="cutover", steps=tuple(paused_steps("old", "new", "app", FENCE, [])))
ARMED = ev.Armed(attempt=1, direction="forward", roles=("app",), may_still_write=(), deadline_s=0.3)
PAUSED = ev.StretchMoved(attempt=1, state="paused")


@asynccontextmanager
async def recovering() -> AsyncIterator[AtTheDesk]:
    """An engine that finds a pause, and no password with which to end it."""
    async with a_desk(A_PROFILE, PLAN, ARMED, PAUSED) as at:
        started = asyncio.create_task(at.desk.start())
        await at.until(lambda night: night.writes_stopped is not None)
        yield at
        await at.desk.close("the test ends")
        started.cancel()
        await asyncio.wait({started})


async def test_it_asks_for_the_password_that_nobody_holds_any_more() -> None:
    async with recovering() as at:
        assert {"old", "new"} <= set(at.night.secrets_wanted)
        assert at.night.writes_stopped is not None
        assert "old" in at.night.writes_stopped.why
        assert at.night.armed


@pytest.mark.parametrize(
    "request_", [Go(id=new_id(), attempt=1), Abort(id=new_id()), Arm(id=new_id(), typed="old")]
)
async def test_no_key_comes_between(request_: Go | Abort | Arm) -> None:
    async with recovering() as at:
        with pytest.raises(RefusedError):
            await at.ask(request_)
        assert at.night.stretch is not None
        assert at.night.stretch.state == "stopped"


async def test_ended_meanwhile_it_leaves_the_stretch_to_the_next_engine() -> None:
    """It said “disarmed”, and the next engine would have left clients at a paused pool."""
    async with recovering() as at:
        pass
    assert at.night.armed
    assert at.night.stretch is not None
    assert at.night.stretch.state == "stopped"


async def test_a_server_that_is_away_leaves_its_steps_in_doubt_and_says_so() -> None:
    steps = (helpers("old", "app"), helpers("new", "app"))
    plan = ev.Planned(phase="replication", steps=steps)
    begun = [ev.StepBegan(step=step.id) for step in steps]
    async with a_desk(A_PROFILE, plan, *begun, ev.EngineStarted(pid=1, resumed=True)) as at:
        await at.desk.start()
        assert at.night.in_doubt() == [step.id for step in steps]
        said = [one.text for one in at.night.said if one.trouble]
        assert len(said) == 2
        assert "still in doubt" in said[0]


async def test_a_password_file_that_a_killed_engine_left_is_removed() -> None:
    async with a_desk(A_PROFILE) as at:
        left = at.folder / "passfile-x7"
        left.write_text("127.0.0.1:5416:*:postgres:open sesame\n")
        await at.desk.start()
        assert not left.exists()


async def test_a_look_that_waited_behind_an_arming_is_refused() -> None:
    """Its sessions would be strangers to the fence."""
    async with a_desk(A_PROFILE, PLAN) as at:
        await at.desk._looking.acquire()
        waiting = asyncio.create_task(at.look("verify"))
        await asyncio.sleep(0)
        at.live.publish(ARMED)
        at.desk._looking.release()
        with pytest.raises(RefusedError, match="an attempt is armed"):
            await waiting
        assert "verify" not in at.night.looking
