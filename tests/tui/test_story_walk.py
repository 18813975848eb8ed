"""Walking a night by keys alone: every phase, forward and back, and what each asks for."""

from __future__ import annotations

import asyncio

import pytest
from textual.widgets import OptionList

from profiles import events as ev
from profiles import requests as ask
from profiles.phases import PHASES
from tests.tui import scenes
from tests.tui.recorded import Recorded, Window, phase_of, press, settled, shown
from tui.screens.aftercare import AftercareScreen

SIZES = [(80, 24), (120, 40)]


def kinds(link: Recorded) -> list[str]:
    return [str(request.__struct_config__.tag) for request in link.sent]


@pytest.mark.parametrize("size", SIZES)
async def test_the_wizard_is_walked_from_the_first_phase_to_the_last_by_one_key(
    size: tuple[int, int],
) -> None:
    window = Window(Recorded(scenes.moved()))
    async with window.run_test(size=size) as pilot:
        await settled(pilot)
        window.go_to("sessions")
        seen = [phase_of(window)]
        for _ in PHASES[1:]:
            await press(pilot, "]")
            seen.append(phase_of(window))
        assert seen == [phase.id for phase in PHASES]
        await press(pilot, "]")
        assert "this is the last" in shown(window)
        for _ in PHASES[1:]:
            await press(pilot, "[")
        assert phase_of(window) == "sessions"


@pytest.mark.parametrize("size", SIZES)
async def test_digits_go_to_their_phase(size: tuple[int, int]) -> None:
    window = Window(Recorded(scenes.ready()))
    async with window.run_test(size=size) as pilot:
        await settled(pilot)
        for phase in PHASES[:10]:
            await press(pilot, str(phase.number % 10))
            assert phase_of(window) == phase.id


async def test_a_new_night_opens_on_servers_and_looks_at_them() -> None:
    link = Recorded(scenes.began())
    window = Window(link)
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert phase_of(window) == "servers"
        assert isinstance(link.sent[0], ask.Probe)
        assert link.sent[0].phase == "servers"


async def test_a_night_that_is_come_back_to_opens_where_it_stands() -> None:
    window = Window(Recorded(scenes.copying()))
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert phase_of(window) == "replication"


async def test_a_phase_that_was_looked_at_is_not_looked_at_again_by_itself_but_by_p() -> None:
    link = Recorded(scenes.preflight_stop())
    window = Window(link)
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert phase_of(window) == "preflight"
        assert kinds(link) == []
        await press(pilot, "p")
        assert kinds(link) == ["probe"]


async def test_enter_goes_on_only_when_no_stop_is_in_the_way() -> None:
    link = Recorded([*scenes.up_to_preflight(), *scenes.looked("preflight", scenes.PREFLIGHT[0])])
    window = Window(link)
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "enter")
        assert phase_of(window) == "preflight"
        assert "1 × ✗ stop; ] goes on all the same" in shown(window)


async def test_enter_on_a_finding_goes_to_its_remedy_and_then_runs_it() -> None:
    link = Recorded(scenes.preflight_stop())
    window = Window(link)
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert "wal_level = replica" in shown(window)
        await press(pilot, "enter")
        assert "ALTER SYSTEM SET wal_level = 'logical'" in shown(window)
        await press(pilot, "enter", *scenes.OLD, "enter")
        assert kinds(link) == ["confirm", "run"]


async def test_the_palette_holds_every_action_that_works_now() -> None:
    link = Recorded(scenes.ready())
    window = Window(link)
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("ctrl+p", *"aftercare")
        async with asyncio.timeout(10):
            while not window.screen.query_one(OptionList).option_count:
                await pilot.pause(0.05)
            await pilot.press("enter")
            while not isinstance(window.screen, AftercareScreen):
                await pilot.pause(0.05)
        await settled(pilot)
        assert phase_of(window) == "aftercare"


async def test_help_says_what_a_screen_is_for_and_why_a_key_does_not_work() -> None:
    window = Window(Recorded(scenes.ready()))
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "?")
        assert "Before the pause every line is run" in shown(window)
        assert "arm first: t" in shown(window)
        await press(pilot, "escape")
        assert phase_of(window) == "cutover"


async def test_the_journal_shows_what_happened_and_follows() -> None:
    link = Recorded(scenes.copying())
    window = Window(link)
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "l")
        assert "copy@db-new/orders" in shown(window)
        link.tell(ev.Said(text="a line that is new"))
        await settled(pilot)
        assert "a line that is new" in shown(window)
        await press(pilot, "escape")
        assert phase_of(window) == "replication"


async def test_below_sixty_by_twenty_the_window_says_so_and_comes_back_when_it_grows() -> None:
    window = Window(Recorded(scenes.streaming()))
    async with window.run_test(size=(50, 15)) as pilot:
        await settled(pilot)
        assert window.screen.query_one("#too-small").display
        assert not window.screen.query_one("#middle").display
        await pilot.resize_terminal(80, 24)
        await settled(pilot)
        assert not window.screen.query_one("#too-small").display
        assert window.screen.query_one("#middle").display
