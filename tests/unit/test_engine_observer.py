"""What the armed stretch tells: events without waiting, whatever becomes of the disk; the gates."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pytest

from actions.cutover import Fence, paused_steps
from connections.hosts import Hosts
from connections.passwords import Passwords
from connections.sessions import Sessions
from engine import sampler
from engine.launch import begin
from engine.night import LiveNight
from engine.observer import REACHED_BY, Told
from engine.sampler import GateKeeper, Sampler
from profiles import events as ev
from profiles.errors import JournalError
from profiles.fold import fold
from profiles.journal import Journal
from routes.gates import Behind
from tests.fix_engine import a_profile

FENCE = Fence(roles=["app"], exceptions=[], wizard="postgres")
STEPS = {step.id: step for step in paused_steps("old", "new", "shop", FENCE, [])}


@dataclass
class Watched:
    """A live night with an observer of its first attempt, and every event."""

    live: LiveNight
    told: Told
    events: list[ev.Event]

    def ended(self) -> list[str]:
        return [str(event.step) for event in self.events if isinstance(event, ev.StepEnded)]


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    folder = begin(a_profile())
    with Journal.open(folder) as journal:
        live = LiveNight(folder, journal, fold(journal.events))
        events: list[ev.Event] = []
        live.listeners.append(events.append)
        yield Watched(live, Told(live, 1, STEPS), events)


@pytest.fixture
def synced(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many events there were at each sync."""
    found: list[int] = []
    monkeypatch.setattr(watched.live, "sync", lambda: found.append(len(watched.events)))
    return found


async def test_inside_the_stretch_nothing_waits_for_the_disk(
    watched: Watched, synced: list[int]
) -> None:
    await watched.told.intent()
    watched.told.moved("paused", 0.0, "clients wait", "undone")
    fence = STEPS["fence@old"]
    watched.told.ran(fence.commands[0], "ALTER ROLE", "", 1.0)
    watched.told.stopped("old is gone", "old has to answer", ("bring it back",))
    assert synced == [0]
    await watched.told.settled()
    assert synced == [0, len(watched.events)]


def test_the_step_that_led_to_a_state_is_done(watched: Watched) -> None:
    states: tuple[ev.StretchState, ...] = ("armed", "paused", "fenced", "drained", "sequences")
    for state in (*states, "turned", "opened"):
        watched.told.moved(state, 1.0, f"it is {state}", "")
    assert watched.ended() == [
        *("fence@old", "drain@new/shop", "sequences@new/shop", "turn@old/shop", "open@new")
    ]


def test_the_timer_is_done_once_it_was_set(watched: Watched) -> None:
    watched.told.moved("armed", None, "everything is ready", "")
    assert watched.ended() == []
    watched.told.ran(STEPS["arm@old/shop"].commands[0], "INSERT", "", 1.0)
    watched.told.moved("armed", None, "the timers are running", "")
    assert watched.ended() == ["arm@old/shop"]


def test_every_state_that_is_reached_by_a_step_is_one() -> None:
    assert set(REACHED_BY) < set(get_args(ev.StretchState))


def test_a_command_is_told_with_its_step(watched: Watched) -> None:
    arm = STEPS["arm@old/shop"]
    watched.told.ran(arm.commands[1], "DO", "running, pid 7", 2.0)
    watched.told.ran(arm.undo[0], "DO", "error: gone", 3.0)
    ran = [event for event in watched.events if isinstance(event, ev.CommandRan)]
    assert [(one.step, one.index, one.ok) for one in ran] == [
        ("arm@old/shop", 1, True),
        ("arm@old/shop", 3, False),
    ]
    assert {one.attempt for one in ran} == {1}


async def test_a_full_disk_does_not_stop_the_stretch_and_is_said_after_it(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(event: ev.Event, wait: bool = True) -> None:
        raise JournalError("journal", "write", "No space left on device")

    monkeypatch.setattr(watched.live._journal, "append", full)
    watched.told.moved("paused", 0.0, "clients wait", "")
    watched.told.ran(STEPS["fence@old"].commands[0], "ALTER ROLE", "", 1.0)
    watched.told.stopped("w", "m", ("c",))
    monkeypatch.undo()
    with pytest.raises(JournalError, match="No space left"):
        await watched.told.settled()
    await watched.told.settled()


async def test_without_a_journal_nothing_is_paused(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise JournalError("journal", "put on disk", "Input/output error")

    monkeypatch.setattr(watched.live, "sync", broken)
    with pytest.raises(JournalError):
        await watched.told.intent()


# The gates


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets seconds pass on the monotonic clock of the sampler."""
    now = [100.0]
    monkeypatch.setattr("engine.sampler.time.monotonic", lambda: now[0])

    def passes(seconds: float) -> None:
        now[0] += seconds

    return passes


def test_a_gate_opens_after_it_has_held_long_enough_and_closes_at_once(
    watched: Watched, clock: Callable[[float], None]
) -> None:
    keeper = GateKeeper(watched.live, Behind(1.0, 10.0))
    for behind_s, seconds in [(5.0, 1), (0.5, 9), (0.5, 1), (0.5, 1), (None, 1), (0.2, 1)]:
        keeper.read(ev.Sampled(behind_s=behind_s))
        clock(seconds)
    read = [event for event in watched.events if isinstance(event, ev.GateRead)]
    assert [one.holds for one in read] == [False, False, False, True, False, False]
    assert [one.turned for one in read] == [False, False, False, True, True, False]
    assert [one.held_s for one in read] == [0.0, 0.0, 9.0, 10.0, 0.0, 0.0]
    assert [event for event in watched.events if ev.is_journalled(event)] == [read[3], read[4]]


def test_a_gate_has_held_for_no_time_after_nobody_measured_for_a_while(
    watched: Watched, clock: Callable[[float], None]
) -> None:
    keeper = GateKeeper(watched.live, Behind(1.0, 10.0))
    keeper.read(ev.Sampled(behind_s=0.5))
    clock(30)
    keeper.forget()
    keeper.read(ev.Sampled(behind_s=0.5))
    read = [event for event in watched.events if isinstance(event, ev.GateRead)]
    assert [(one.holds, one.held_s) for one in read] == [(False, 0.0), (False, 0.0)]


SUBSCRIBED = ev.StepEnded(step="subscription@new/orders", outcome="done")
ARMED = ev.Armed(attempt=1, direction="forward", roles=(), may_still_write=(), deadline_s=10.0)


@pytest.mark.parametrize(
    ("events", "wanted"),
    [
        ([], False),
        ([SUBSCRIBED], True),
        ([ev.StepEnded(step=SUBSCRIBED.step, outcome="failed")], False),
        ([ev.StepEnded(step=SUBSCRIBED.step, outcome="in-doubt")], True),
        ([SUBSCRIBED, ARMED], True),
        ([SUBSCRIBED, ARMED, ev.StretchMoved(attempt=1, state="paused")], False),
        (
            [
                SUBSCRIBED,
                ARMED,
                ev.StretchMoved(attempt=1, state="paused"),
                ev.StretchMoved(attempt=1, state="aborted"),
            ],
            True,
        ),
        ([SUBSCRIBED, ARMED, ev.StretchMoved(attempt=1, state="moved")], False),
    ],
)
def test_lag_is_measured_while_it_makes_sense(events: list[ev.Event], wanted: bool) -> None:
    assert sampler._replicates(fold(events)) is wanted


async def test_what_cannot_be_measured_is_said_and_tried_again(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampler, "AGAIN_S", 0.001)
    monkeypatch.setenv("PGPASSFILE", "/dev/null")
    profile = a_profile()
    passwords = Passwords(profile)
    sessions = Sessions(profile, passwords, Hosts(profile, passwords))
    measuring = Sampler(watched.live, sessions)
    measuring.follow()
    assert watched.events == []
    watched.live.publish(SUBSCRIBED)
    twice = asyncio.Event()

    def count(event: ev.Event) -> None:
        troubles = [it for it in watched.events if isinstance(it, ev.Sampled)]
        if len(troubles) >= 2:
            twice.set()

    watched.live.listeners.append(count)
    measuring.follow()
    measuring.follow()
    async with asyncio.timeout(10):
        await twice.wait()
    await measuring.stop()
    first = next(it for it in watched.events if isinstance(it, ev.Sampled))
    assert "db-old" in first.trouble
    assert not [it for it in watched.events if isinstance(it, ev.GateRead) and it.holds]
