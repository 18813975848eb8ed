"""The card of a phase in a rehearsal: read, and its faults made and taken back by keys."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from textual.worker import WorkerFailed

from profiles.errors import HostError
from profiles.events import Event
from profiles.phases import PHASES
from profiles.requests import RunStep
from rehearsal.faults import BY_PHASE, offered
from tests.tui import scenes
from tests.tui.recorded import Recorded, Window, press, settled, shown
from tui import rehearse
from tui.frame import Frame
from tui.palette import Offers
from tui.screens.replication import ReplicationScreen
from tui.widgets.card import Card
from tui.widgets.dialogs import Ask, Page

SMALL = (80, 24)


class Faults:
    """A rehearsal's faults, without a rehearsal."""

    def __init__(self) -> None:
        self.at_work: tuple[str, ...] = ()
        self.asked: list[tuple[str, bool]] = []

    def of(self, night: Path | None) -> tuple[str, ...]:
        return self.at_work

    def fault(self, night: Path | None, name: str, *, undo: bool) -> str:
        self.asked.append((name, undo))
        self.at_work = () if undo else (name,)
        return "The session was ended." if undo else "A transaction is open: pid 4242."


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Faults:
    made = Faults()
    monkeypatch.setattr(rehearse, "faults_of", made.of)
    monkeypatch.setattr(rehearse, "fault", made.fault)
    return made


async def chosen(window: Window) -> None:
    """What was begun on the card has come to its end, well or not."""
    for each in [each for each in window.workers if each.group == "dialog"]:
        with suppress(WorkerFailed):
            await each.wait()


def entries(window: Window) -> list[str]:
    """What the palette has on the screen that is shown."""
    assert isinstance(window.screen, Frame)
    return [name for name, _ in Offers(window.screen)._offers()]


@pytest.mark.parametrize("night", [scenes.streaming, scenes.practising])
async def test_only_a_rehearsal_has_cards(night: Callable[[], list[Event]], faults: Faults) -> None:
    window = Window(Recorded(night()))
    rehearsed = night is scenes.practising
    async with window.run_test(size=SMALL) as pilot:
        await settled(pilot)
        assert ("night: Card" in entries(window)) is rehearsed
        await press(pilot, "c")
        assert isinstance(window.screen, Card) is rehearsed


async def test_who_only_watches_makes_no_fault(faults: Faults) -> None:
    window = Window(Recorded(scenes.practising()), watch=True)
    async with window.run_test(size=SMALL) as pilot:
        await settled(pilot)
        assert "night: Card" not in entries(window)


async def test_a_fault_is_made_and_taken_back_by_its_key(faults: Faults) -> None:
    window = Window(Recorded(scenes.practising()))
    async with window.run_test(size=SMALL) as pilot:
        await settled(pilot)
        window.go_to("preflight")
        await settled(pilot)
        await press(pilot, "c")
        assert "make: A transaction that does not end" in shown(window)
        assert "at work" not in shown(window)
        await pilot.press("1")
        await chosen(window)
        await settled(pilot)
        assert isinstance(window.screen, Frame)
        assert "A transaction is open: pid 4242." in shown(window)
        await press(pilot, "c")
        assert "take back: A transaction that does not end" in shown(window)
        assert "! at work" in shown(window)
        await pilot.press("1")
        await chosen(window)
        await settled(pilot)
        assert "The session was ended." in shown(window)
    assert faults.asked == [("long-transaction", False), ("long-transaction", True)]


@pytest.mark.parametrize("key", ["escape", "q", "enter", "9"])
async def test_leaving_the_card_leaves_everything(faults: Faults, key: str) -> None:
    window = Window(Recorded(scenes.practising()))
    async with window.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await press(pilot, "c", key)
        assert isinstance(window.screen, Card) is (key == "9")
    assert faults.asked == []


async def test_every_phase_shows_its_card_whole_by_scrolling(faults: Faults) -> None:
    window = Window(Recorded(scenes.practising()))
    async with window.run_test(size=SMALL) as pilot:
        await settled(pilot)
        for phase in PHASES:
            window.go_to(phase.id)
            await settled(pilot)
            await press(pilot, "c")
            assert f"Card: {phase.title}" in str(window.screen.query_one("#page").border_title)
            said = " ".join(shown(window).split())
            assert BY_PHASE[phase.id].teaches in said
            assert all(fault.title in said for fault in offered(phase.id))
            page = window.screen.query_one("#page")
            assert page.max_scroll_x == 0
            assert page.region.height >= 8
            await press(pilot, "escape")


async def test_a_fault_that_cannot_be_made_yet_says_what_comes_first(
    faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(night: Path | None, name: str, *, undo: bool) -> str:
        why, remedy = "there is no slot nightferry yet", "Go through Replication setup first."
        raise HostError("this machine", f"make the fault {name}", why, remedy)

    monkeypatch.setattr(rehearse, "fault", refuse)
    window = Window(Recorded(scenes.practising()))
    async with window.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await press(pilot, "c")
        await pilot.press("2")
        await chosen(window)
        await settled(pilot)
        assert isinstance(window.screen, Page)
        assert "Go through Replication setup first." in " ".join(shown(window).split())


async def test_a_settled_step_is_run_again(faults: Faults) -> None:
    """After a lost slot, and a database that was dropped."""
    recorded = Recorded(scenes.practising())
    window = Window(recorded)
    async with window.run_test(size=SMALL) as pilot:
        await settled(pilot)
        window.go_to("replication")
        await settled(pilot)
        screen = window.screen
        assert isinstance(screen, ReplicationScreen)
        step = recorded.state.plan("replication")[-1]
        assert recorded.state.state_of(step.id).settled
        screen.listed.go_to(step.id)
        await settled(pilot)
        recorded.sent.clear()
        await press(pilot, "R")
        if isinstance(window.screen, Ask):
            await press(pilot, *step.servers[0], "enter")
        asked = [each for each in recorded.sent if isinstance(each, RunStep)]
        assert [each.step for each in asked] == [step.id]


async def test_a_night_that_moves_no_rehearsal_has_no_fault(tmp_path: Path) -> None:
    assert rehearse.faults_of(None) == ()
    assert rehearse.faults_of(tmp_path) == ()
    with pytest.raises(HostError, match="the rehearsal is gone"):
        await asyncio.to_thread(rehearse.fault, tmp_path, "lost-slot", undo=False)
