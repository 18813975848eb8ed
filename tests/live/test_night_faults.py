"""What goes wrong at night: the engine dies, a client holds on, somebody changes their mind.

Two real servers and an application that keeps writing. Whatever happens, its writes are answered
by the right server again in time, and the ledger finds none of them lost or twice.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest

from engine.launch import ensure_engine
from profiles.errors import EngineError
from profiles.events import EngineStarted, StepBegan, StepEnded, StretchMoved
from profiles.fold import Night, Stretch
from profiles.journal import read_events
from rehearsal.ledger import write_pause_ms
from rehearsal.processes import until
from tests.fix_rehearsed import (
    PATIENCE_S,
    Rehearsed,
    a_copied_night,
    a_night,
    a_state_folder,
    reaches,
)
from tui.unattended import Walk

pytestmark = pytest.mark.live

BY_HAND_S = 8.0
"""The deadline of a stretch gone through by hand; a quiet machine needs a twentieth of it."""
SLACK_S = 3.0
"""For a busy machine, on top of a deadline."""
BEFORE_THE_TURN = ("armed", "paused", "fenced", "drained", "sequences")
"""What the keys of a stretch by hand lead to, one after the other."""


@pytest.fixture(scope="module")
def shared() -> Iterator[Rehearsed]:
    """A night that stands before its armed stretch; every test leaves it so, but the last."""
    with a_copied_night(by_hand_deadline_s=BY_HAND_S) as night:
        yield night


@pytest.fixture
async def walk(shared: Rehearsed) -> AsyncIterator[Walk]:
    """A window on the shared night, its checklist done."""
    async with shared.walk() as attached:
        await attached.check_off()
        yield attached


async def by_hand_to(walk: Walk, state: str) -> None:
    """Arm by hand, then one key a step until the stretch is in that state."""
    await walk.arm(by_hand=True)
    for expected in BEFORE_THE_TURN[: BEFORE_THE_TURN.index(state) + 1]:
        await press(walk, expected)


async def press(walk: Walk, leads_to: str) -> None:
    """The key for one step, and the state it leads to."""
    stretch = walk.night.stretch
    assert stretch is not None
    seen = stretch.seq

    def further(night: Night) -> bool:
        return night.stretch is not None and night.stretch.seq > seen and reaches(leads_to)(night)

    await walk.go()
    await walk.until(further, PATIENCE_S)


def states(night: Rehearsed) -> list[str]:
    """Every state of the newest attempt, in order."""
    attempt = night.stretch().attempt
    moved = [one for one in read_events(night.folder).events if isinstance(one, StretchMoved)]
    return [one.state for one in moved if one.attempt == attempt]


async def open_to_the_application(night: Rehearsed, server: str) -> bool:
    """Every application role may log in there."""
    shut = "SELECT count(*) FROM pg_roles WHERE rolname IN ('app', 'reporting')"
    return bool(await night.value(server, f"{shut} AND NOT rolcanlogin") == 0)


async def undone_on_the_old_server(night: Rehearsed, within_s: float) -> None:
    """The pause is over, clients write to the old server, and none of them waited longer."""
    await night.flows("old", PATIENCE_S)
    stretch = await night.over()
    assert stretch.state == "aborted"
    assert await open_to_the_application(night, "old")
    assert not await open_to_the_application(night, "new")
    assert await until(lambda: waited_s(night, stretch) is not None, PATIENCE_S, every_s=0.1)
    waited = waited_s(night, stretch)
    assert waited is not None and waited < within_s


def waited_s(night: Rehearsed, stretch: Stretch) -> float | None:
    """The longest that a client waited for a write due around that pause; None before there is one.

    An application that is behind its rate has such a one late.
    """
    assert stretch.paused_ms is not None and stretch.resumed_at is not None
    sent_at = stretch.resumed_at - timedelta(milliseconds=stretch.paused_ms)
    paused_at = stretch.paused_at or sent_at
    waited_ms = write_pause_ms(night.box.ledger(), paused_at, stretch.resumed_at)
    return None if waited_ms is None else waited_ms / 1000.0


async def test_the_abort_key_in_the_middle(shared: Rehearsed, walk: Walk) -> None:
    await by_hand_to(walk, "drained")
    await walk.abort()
    await undone_on_the_old_server(shared, BY_HAND_S)
    assert states(shared)[-2:] == ["aborting", "aborted"]
    assert "the abort key" in shared.stretch().says


async def test_a_transaction_that_does_not_end(shared: Rehearsed, walk: Walk) -> None:
    """PAUSE waits for it and everybody with it: it is given up within its own deadline."""
    allowed_s = shared.profile.thresholds.pool_pause_deadline_s
    await walk.arm()
    client = await shared.client()
    try:
        async with client.transaction():
            await client.execute("SELECT 1")
            await walk.go()
            await walk.until(reaches("aborted"), PATIENCE_S)
            await undone_on_the_old_server(shared, allowed_s + SLACK_S)
    finally:
        await client.close()
    assert "transaction open" in shared.stretch().says
    assert states(shared) == ["armed", "armed", "aborting", "aborted"]


async def test_the_engine_is_ended_while_writes_are_paused(shared: Rehearsed, walk: Walk) -> None:
    await by_hand_to(walk, "fenced")
    shared.kill_engine(signal.SIGTERM)
    await shared.gone()
    await undone_on_the_old_server(shared, BY_HAND_S)
    assert "the engine ends" in shared.stretch().says
    assert shared.night().engine_pid is None


async def test_the_engine_is_killed_before_the_turn(shared: Rehearsed, walk: Walk) -> None:
    """Its keeper starts it again, and it undoes by the arbiter what it finds in the middle."""
    await by_hand_to(walk, "sequences")
    pid = shared.kill_engine()
    await undone_on_the_old_server(shared, BY_HAND_S)
    assert shared.night().engine_pid not in (None, pid)


async def test_engine_and_keeper_are_killed_before_the_turn(shared: Rehearsed, walk: Walk) -> None:
    """Nobody of ours is left: the timers on the old server and beside the pooler end the pause."""
    await by_hand_to(walk, "sequences")
    shared.kill_engine_and_keeper()
    await shared.gone()
    assert not await open_to_the_application(shared, "old")
    waited_s = await shared.flows("old", BY_HAND_S + 1.0 + SLACK_S)
    assert waited_s > 1.0
    assert await open_to_the_application(shared, "old")
    assert states(shared)[-1] == "sequences"
    ensure_engine(shared.folder)
    await undone_on_the_old_server(shared, BY_HAND_S + 1.0 + SLACK_S)


async def test_after_all_of_that_it_moves(shared: Rehearsed, walk: Walk) -> None:
    loan = "server_login_retry = 1"
    assert loan in shared.pooler_ini().read_text().splitlines()
    await walk.cut_over()
    await reaches_its_end(shared, walk)
    assert loan not in shared.pooler_ini().read_text().splitlines()


async def test_the_engine_is_killed_during_the_copy_and_after_the_turn() -> None:
    with a_state_folder() as folder:
        async with a_night(folder, by_hand_deadline_s=BY_HAND_S) as night:
            await killed_during_the_copy(night)
            async with night.walk() as walk:
                await walk.check_off()
                await by_hand_to(walk, "sequences")
                await press(walk, "turned")
                pid = night.kill_engine()
            stretch = await night.over()
            assert stretch.state == "moved"
            await night.flows("new")
            assert not await open_to_the_application(night, "old")
            assert stretch.paused_at is not None and stretch.resumed_at is not None
            assert (stretch.resumed_at - stretch.paused_at).total_seconds() < BY_HAND_S
            assert night.night().engine_pid not in (None, pid)
            async with night.walk() as walk:
                await reaches_its_end(night, walk)


async def killed_during_the_copy(night: Rehearsed) -> None:
    """Kill the engine while tables are copied; what it began is asked for, and goes on."""
    copied = f"copied@new/{night.profile.database}"
    async with night.walk() as walk:
        copying = asyncio.create_task(walk.copy())
        assert await until(lambda: night.night().state_of(copied).running, PATIENCE_S)
        pid = night.kill_engine()
        with pytest.raises(EngineError):
            await copying
    async with night.walk() as walk:
        await walk.until(lambda now: not now.state_of(copied).running, PATIENCE_S)
        assert walk.night.engine_pid not in (None, pid)
        await walk.copy()
    told = [
        event
        for event in read_events(night.folder).events
        if isinstance(event, EngineStarted) or event.step == copied
    ]
    kinds = [type(event) for event in told]
    assert kinds[: kinds.index(StepEnded)] == [EngineStarted, StepBegan, EngineStarted]
    assert told[kinds.index(StepEnded)].by == "engine"


async def reaches_its_end(night: Rehearsed, walk: Walk) -> None:
    """Everything is settled, and the application's ledger is what the new server holds."""
    await night.flows("new")
    await night.box.stop_application()
    await walk.settle()
    verdict = await night.box.compare()
    assert (verdict.lost, verdict.duplicated, verdict.failed) == (0, 0, 0), verdict.examples
    assert night.night().open_loose_ends() == []
    assert night.night().ended
