"""What an operator does on the Host tuning screen: marks, reads every command, applies, undoes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from textual.pilot import Pilot

from profiles import requests as ask
from tests.tui.recorded import Recorded, Window, press, settled, shown
from tests.tui.scenes import NEW
from tests.tui.tuned import tuned
from tui.phase import PhaseScreen
from tui.widgets.dialogs import Ask, Page

DIRTY = f"vm.dirty_bytes@{NEW}"
SWAPPINESS = f"vm.swappiness@{NEW}"


@asynccontextmanager
async def standing_on(step: str) -> AsyncIterator[tuple[Pilot[str], Window, Recorded]]:
    """The screen with the cursor on a setting."""
    link = Recorded(tuned())
    window = Window(link)
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        window.go_to("tuning")
        await settled(pilot)
        screen = window.screen
        assert isinstance(screen, PhaseScreen)
        screen.listed.go_to(step)
        await settled(pilot)
        link.sent.clear()  # where the night opens, it is looked at
        yield pilot, window, link


async def test_only_what_is_marked_is_applied_once_its_commands_were_read() -> None:
    async with standing_on(DIRTY) as (pilot, window, link):
        await press(pilot, "a")
        assert link.sent == [] and "nothing is marked" in shown(window)
        await press(pilot, "space", "a")
        assert isinstance(window.screen, Page)
        assert "/sbin/sysctl -w vm.dirty_bytes=3221225472" in shown(window)
        assert "zz-nightferry.conf" in shown(window)
        await press(pilot, "enter")
        assert isinstance(window.screen, Ask)
        await press(pilot, *NEW, "enter")
        assert [type(each) for each in link.sent] == [ask.Confirm, ask.RunPhase]
        applied = link.sent[-1]
        assert isinstance(applied, ask.RunPhase)
        assert (applied.phase, applied.steps) == ("tuning", (DIRTY,))


async def test_leaving_the_page_of_commands_applies_nothing() -> None:
    async with standing_on(DIRTY) as (pilot, _, link):
        await press(pilot, "space", "a", "escape")
        assert link.sent == []


async def test_a_mark_is_taken_away_by_the_same_key() -> None:
    async with standing_on(DIRTY) as (pilot, window, link):
        await press(pilot, "space")
        assert "1 marked" in shown(window)
        await press(pilot, "space", "a")
        assert link.sent == [] and "nothing is marked" in shown(window)


async def test_another_value_is_asked_of_the_engine() -> None:
    async with standing_on(DIRTY) as (pilot, window, link):
        await press(pilot, "e")
        assert "the smaller of 15 %" in shown(window), "the arithmetic stands beside the question"
        await press(pilot, *"2000000000", "enter")
        (chosen,) = link.sent
        assert isinstance(chosen, ask.ChooseValue)
        assert (chosen.step, chosen.value) == (DIRTY, "2000000000")


async def test_what_was_applied_is_undone_by_one_key_and_nothing_else_is() -> None:
    async with standing_on(DIRTY) as (pilot, window, link):
        await press(pilot, "u")
        assert link.sent == [] and "has not changed it" in shown(window)
    async with standing_on(SWAPPINESS) as (pilot, window, link):
        await press(pilot, "u", *NEW, "enter")
        assert [type(each) for each in link.sent] == [ask.Confirm, ask.UndoStep]


async def test_why_and_by_which_arithmetic_stands_below_the_setting() -> None:
    async with standing_on(SWAPPINESS) as (_, window, _link):
        said = shown(window)
        assert "/etc/sysctl.conf (10) is read later" in said, "what would win is named"
        assert "rule      Linux kernel" in said
