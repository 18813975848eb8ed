"""The window itself: an engine that dies, leaving, detaching, signals, the Sessions screen."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from profiles import events as ev
from profiles import requests as ask
from profiles.errors import ProfileError
from tests.tui import scenes
from tests.tui.recorded import START, Recorded, Window, phase_of, press, settled, shown
from tui.glyphs import ASCII
from tui.nights import Known
from tui.widgets.dialogs import Choose
from tui.widgets.lines import Lines

DRIVERS = {"asyncpg", "psycopg", "aiomysql", "asyncssh"}


async def test_when_the_engine_dies_the_header_says_so_and_goes_on_when_it_is_back() -> None:
    link = Recorded(scenes.streaming())
    window = Window(link)
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        link.lose("connect to engine.sock: Connection refused")
        await settled(pilot)
        assert "no engine is heard since 03:0" in shown(window)
        link.lose("")
        await settled(pilot)
        assert "no engine is heard" not in shown(window)


async def test_leaving_a_night_that_runs_asks_and_detaching_lets_it_run() -> None:
    link = Recorded(scenes.copying())
    window = Window(link)
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "q")
        assert isinstance(window.screen, Choose)
        await pilot.press("d")
        await pilot.pause()
    assert window.return_value == "detach"
    assert link.sent == []


async def test_leaving_can_be_taken_back() -> None:
    window = Window(Recorded(scenes.copying()))
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "q", "escape")
        assert phase_of(window) == "replication"


async def test_a_rehearsal_can_be_ended() -> None:
    link = Recorded(scenes.rehearsing())
    window = Window(link)
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert "REHEARSAL" in shown(window)
        await press(pilot, "q")
        await pilot.press("e")
        await pilot.pause()
    assert window.return_value == "end"
    assert [type(each) for each in link.sent][-1] is ask.Stop


async def test_ctrl_z_detaches_at_once() -> None:
    window = Window(Recorded(scenes.copying()))
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("ctrl+z")
        await pilot.pause()
    assert window.return_value == "detach"


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
async def test_a_lost_terminal_ends_the_window_cleanly(number: signal.Signals) -> None:
    window = Window(Recorded(scenes.copying()))
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        os.kill(os.getpid(), number)
        async with asyncio.timeout(10):
            while window.return_code is None:
                await pilot.pause()
    assert window.return_code == 128 + number


async def test_a_thousand_readings_are_drawn_as_one() -> None:
    link = Recorded(scenes.streaming())
    window = Window(link)
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "8")
        link.tell(*scenes.samples(1000))
        await link.heard()
        assert len(window.view.night.samples) == 900
        await settled(pilot)
        assert "applied" in shown(window)


async def test_a_terminal_without_utf8_gets_twins_of_one_cell() -> None:
    window = Window(Recorded(scenes.preflight_stop()))
    window.environment = {"LANG": "de_DE.ISO-8859-1", "TERM": "vt100"}
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert Lines.glyphs is ASCII
        picture = window.export_screenshot(simplify=True)
        assert "X&#160;stop" in picture
        for glyph in "✗✓▸…→╭│":
            assert glyph not in picture
    Lines.glyphs = {}


def test_the_wizard_loads_no_driver() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, tui.app; print(' '.join(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        cwd=Path(__file__).parents[2],
    )
    assert not DRIVERS & set(loaded.stdout.split())


# Sessions


def some_nights() -> list[Known]:
    return [
        Known("orders-20261120-0300-ab12", Path("/nights/a"), True, "at Replication setup", START),
        Known("orders-20261119-0210-cd34", Path("/nights/b"), False, "ended", START),
    ]


async def test_sessions_lists_the_nights_and_enter_resumes_one() -> None:
    window = Window(None)
    window.listed = some_nights()
    async with window.run_test(size=(80, 24)) as pilot:
        await window.workers.wait_for_complete(list(window.workers))
        await settled(pilot)
        assert "● live" in shown(window)
        assert "asleep" in shown(window)
        await press(pilot, "w")
        assert window.watch_only
        assert window.folder == Path("/nights/a")


async def test_a_sleeping_night_is_resumed_and_not_watched() -> None:
    window = Window(None)
    window.listed = some_nights()
    async with window.run_test(size=(80, 24)) as pilot:
        await window.workers.wait_for_complete(list(window.workers))
        await settled(pilot)
        await press(pilot, "down", "w")
        assert "no engine holds it; enter resumes it" in shown(window)
        await press(pilot, "enter")
        assert window.folder == Path("/nights/b")
        assert phase_of(window) == "servers"


async def test_a_broken_profile_shows_every_problem_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(path: Path) -> Path:
        raise ProfileError(str(path), ("line 3: unknown key `nmae`: name?", "line 9: port: text"))

    monkeypatch.setattr("tui.screens.sessions.begin_from", broken)
    window = Window(None)
    async with window.run_test(size=(80, 24)) as pilot:
        await window.workers.wait_for_complete(list(window.workers))
        await settled(pilot)
        await press(pilot, "o", *"move.toml")
        await pilot.press("enter")
        dialogs = [worker for worker in window.workers if worker.group == "dialog"]
        await window.workers.wait_for_complete(dialogs)
        await settled(pilot)
        assert "2 problems" in shown(window)
        assert "line 3" in shown(window)
        assert "line 9" in shown(window)


async def test_a_fault_in_a_worker_is_shown_and_not_swallowed() -> None:
    link = Recorded(scenes.copying())
    window = Window(link)

    async def broken() -> None:
        raise ZeroDivisionError("nothing divides by nothing")

    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        window.begin(broken())
        await pilot.pause()
        await settled(pilot)
        assert "nothing divides by nothing" in shown(window)
        assert "Traceback" not in shown(window)


async def test_a_said_trouble_is_shown_until_the_next_key() -> None:
    link = Recorded(scenes.streaming())
    window = Window(link)
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        link.tell(ev.Said(text="the pooler does not answer", trouble=True))
        await settled(pilot)
        assert "! the pooler does not answer" in shown(window)
        await press(pilot, "u")
        assert "the pooler does not answer" not in shown(window)


async def test_a_tick_that_comes_after_the_last_screen_has_gone_draws_nothing() -> None:
    window = Window(Recorded(scenes.copying()))
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
    assert window.screen_stack == []
    window.mark_dirty()
    window.tick()
