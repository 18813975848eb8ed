"""When a person is called for: bell, title, a wait, the way back; and where the cursor is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from textual.geometry import Offset
from textual.widgets import Input

from profiles import events as ev
from profiles.fold import Night, fold
from tests.tui import scenes
from tests.tui.recorded import NIGHTS, START, Recorded, Window, numbered, press, settled, shown
from tui.phase import PhaseScreen
from tui.screens.journal import JournalScreen
from tui.words import attention, header
from tui.words.text import plain
from tui.words.view import View

KEY = ev.HostKeyAsked(server="db-old", fingerprint="SHA256:abc", prompt="is it the host's own?")
FAILED = ev.StepEnded(step="copy@db-new/orders", outcome="failed", error="disk full")
STOPPED = ev.WritesStopped(why="the old server is down", missing="db-old", choices=("wait",))
ABORTED = ev.StretchMoved(attempt=1, state="aborted", paused_ms=400.0)
OPENED = ev.GateRead(gate="another", holds=True, figure="behind 0.2 s for 60 s", turned=True)


def rung(window: Window, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Filled with one word a bell."""
    bells: list[str] = []
    monkeypatch.setattr(window, "bell", lambda: bells.append("bell"))
    return bells


@pytest.mark.parametrize(
    ("before", "comes"),
    [
        (scenes.copying, FAILED),
        (scenes.up_to_preflight, ev.SecretAsked(server="db-old", prompt="its password")),
        (scenes.up_to_preflight, KEY),
        (scenes.paused, ABORTED),
        (scenes.paused, STOPPED),
        (scenes.streaming, OPENED),
    ],
    ids=["a failed step", "a secret", "a host key", "aborted", "writes stopped", "a gate"],
)
async def test_the_bell_rings_once_when_a_person_is_needed(
    before: Callable[[], list[ev.Event]], comes: ev.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = Recorded(before())
    window = Window(link)
    bells = rung(window, monkeypatch)
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert bells == []
        link.tell(comes)
        await settled(pilot)
        assert bells == ["bell"]
        link.tell(ev.Said(text="something else"), *scenes.samples(3))
        await settled(pilot)
        assert bells == ["bell"]


async def test_the_end_of_the_copy_rings(monkeypatch: pytest.MonkeyPatch) -> None:
    link = Recorded(scenes.up_to_replication())
    window = Window(link)
    bells = rung(window, monkeypatch)
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        *most, last = scenes.replication_steps()
        link.tell(*scenes.done(most))
        await settled(pilot)
        assert bells == []
        link.tell(*scenes.done([last]))
        await settled(pilot)
        assert bells == ["bell"]


@pytest.mark.parametrize("scene", [scenes.stopped, scenes.moved, scenes.ready, scenes.streaming])
async def test_what_had_happened_before_the_window_came_rings_nothing(
    scene: Callable[[], list[ev.Event]], monkeypatch: pytest.MonkeyPatch
) -> None:
    window = Window(Recorded(scene()))
    bells = rung(window, monkeypatch)
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
    assert bells == []


async def test_a_step_that_fails_again_is_another_occasion(monkeypatch: pytest.MonkeyPatch) -> None:
    link = Recorded(scenes.copying())
    window = Window(link)
    bells = rung(window, monkeypatch)
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        for _ in range(2):
            link.tell(ev.StepBegan(step=FAILED.step, by="wizard"), FAILED)
            await settled(pilot)
    assert bells == ["bell", "bell"]


# The title


def night_of(*events: ev.Event) -> Night:
    return fold(numbered(events))


@pytest.mark.parametrize(
    ("events", "says"),
    [
        (scenes.began, "nightferry orders-2026: Servers"),
        (scenes.rehearsing, "nightferry orders-2026 (rehearsal): "),
        (scenes.armed, "nightferry orders-2026: ARMED"),
        (scenes.paused, "nightferry orders-2026: WRITES PAUSED"),
        (scenes.stopped, "! nightferry orders-2026: WRITES STOPPED"),
        (scenes.copying, "nightferry orders-2026: Copy every table 6"),
    ],
)
def test_the_title_says_night_and_state(events: Callable[[], list[ev.Event]], says: str) -> None:
    assert attention.title(View(night=night_of(*events()), now=START)).startswith(says)


def test_the_title_stays_the_same_while_only_the_clock_goes_on() -> None:
    night = night_of(*scenes.paused())
    titles = {
        attention.title(View(night=night, now=night.at + timedelta(seconds=second)))
        for second in range(5)
    }
    assert len(titles) == 1


def test_a_name_in_the_title_gives_the_terminal_no_order() -> None:
    assert attention.printable("db\x1b]0;rm\x07\n-old") == "db]0;rm-old"


async def test_the_window_keeps_its_title_true() -> None:
    link = Recorded(scenes.copying())
    window = Window(link)
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        link.tell(ev.SecretAsked(server="db-old", prompt="its password"))
        await settled(pilot)
        assert window.titled == "! nightferry orders-2026: waiting for a password"
        link.lose("connection refused")
        await settled(pilot)
        assert window.titled == "! nightferry orders-2026: no engine is heard"


# A wait


async def test_a_request_that_nothing_is_heard_of_is_said_in_the_header() -> None:
    link = Recorded(scenes.preflight_stop())
    window = Window(link)
    now_s = [100.0]
    window._steady = lambda: now_s[0]
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "p")
        assert "waiting for the engine" not in shown(window)
        now_s[0] += 0.2
        await settled(pilot)
        assert "waiting for the engine to look at Preflight" in shown(window)
        link.tell(*scenes.samples(1))
        await settled(pilot)
        assert "waiting for the engine" in shown(window), "a reading answers nobody"
        link.tell(ev.ChecksBegan(phase="preflight"))
        await settled(pilot)
        assert "waiting for the engine" in shown(window), "it can be read"
        now_s[0] += 1.0
        await settled(pilot)
        assert "waiting for the engine" not in shown(window)


def test_while_writes_are_paused_a_wait_stands_beside_the_figure() -> None:
    view = View(night=night_of(*scenes.paused()), now=START, waiting="waiting for the engine")
    said = plain(header.state(view, 120))
    assert "WRITES PAUSED" in said
    assert "waiting for the engine" in said


# Detach and come back


def test_without_tmux_the_header_says_that_a_drop_does_not_matter_where_there_is_room() -> None:
    night = night_of(*scenes.copying())
    wide, narrow = (
        [
            plain(header.state(View(night=night, now=START, alone=alone), cells))
            for alone in (True, False)
        ]
        for cells in (160, 60)
    )
    assert wide[0].rstrip().endswith("no tmux: a dropped line does not matter, the night goes on")
    assert [len(said) for said in wide] == [160, 160]
    assert "tmux" not in wide[1]
    assert "tmux" not in narrow[0]


def test_while_armed_nothing_stands_beside_the_figure() -> None:
    view = View(night=night_of(*scenes.paused()), now=START, alone=True)
    assert "tmux" not in plain(header.state(view, 160))


async def test_a_live_night_is_first_in_the_list_and_offered() -> None:
    window = Window(None)
    asleep, live = NIGHTS[1], NIGHTS[0]
    window.listed = [asleep, live]
    async with window.run_test(size=(80, 24)) as pilot:
        await window.workers.wait_for_complete(list(window.workers))
        await settled(pilot)
        assert "enter comes back to it" in shown(window)
        await press(pilot, "enter")
        assert window.folder == live.path


async def test_a_screen_that_is_shown_for_want_of_a_night_covers_no_other() -> None:
    window = Window(Recorded(scenes.copying()))
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "l")
        window._show_a_screen()  # its timer may run out just then
        await settled(pilot)
        assert isinstance(window.screen, JournalScreen)


# Production and rehearsal


@pytest.mark.parametrize(
    ("scene", "word"), [(scenes.copying, "PRODUCTION"), (scenes.rehearsing, "REHEARSAL")]
)
async def test_the_header_and_every_dialog_say_what_they_act_on(
    scene: Callable[[], list[ev.Event]], word: str
) -> None:
    window = Window(Recorded(scene()))
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert f" {word} " in shown(window).splitlines()[0]
        for key in ("q", "?"):
            await press(pilot, key)
            box = window.screen.query_one(".dialog")
            assert str(box.border_title).strip() == word
            assert box.has_class(f"-{word.lower()}")
            await press(pilot, "escape")


async def test_a_dialog_has_help_of_its_own() -> None:
    window = Window(Recorded(scenes.preflight_stop()))
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "enter", "enter", "f1")
        assert "only that name is taken" in shown(window).replace("\n", " ")
        await press(pilot, "escape", "f1", "escape")
        assert isinstance(window.screen.focused, Input)


# Help and cursor


async def test_help_belongs_to_what_has_the_focus() -> None:
    window = Window(Recorded(scenes.preflight_stop()))
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "?")
        assert "The focus is on a finding" in shown(window)
        await press(pilot, "escape", "end", "f1")
        assert "The focus is on a step" in shown(window)
        await press(pilot, "escape", "tab", "?")
        assert "The focus is on the text below" in shown(window)


async def test_the_terminals_cursor_stands_where_the_focus_is() -> None:
    window = Window(Recorded(scenes.preflight_stop()))
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert isinstance(window.screen, PhaseScreen)
        listed = window.screen.listed
        top = listed.content_region.offset
        assert window.cursor_position == top
        await press(pilot, "down")
        assert window.cursor_position == top + Offset(0, 1)
        await press(pilot, "tab")
        detail = window.screen.panels["detail"]
        assert window.cursor_position == detail.content_region.offset
        await press(pilot, "q")
        box = window.screen.query_one(".dialog")
        assert window.cursor_position == box.content_region.offset


async def test_the_cursor_stands_on_the_row_in_a_scrolled_list_too() -> None:
    window = Window(Recorded(scenes.forty_findings()))
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "end")
        assert isinstance(window.screen, PhaseScreen)
        listed = window.screen.listed
        below = len(listed.rows) - 1 - listed.scroll_offset.y
        assert window.cursor_position == listed.content_region.offset + Offset(0, below)
        assert listed.region.contains_point(window.cursor_position)


# Colours


async def test_the_palette_changes_the_colours_and_they_are_remembered(tmp_path: Path) -> None:
    window = Window(Recorded(scenes.copying()))
    window.environment = {**window.environment, "XDG_CONFIG_HOME": str(tmp_path)}
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        window.change_colours()
        await settled(pilot)
        assert window.theme == "nightferry-light"
    assert (tmp_path / "nightferry" / "theme").read_text().strip() == window.theme


async def test_colours_that_cannot_be_remembered_are_changed_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "nightferry").write_text("in the way")
    window = Window(Recorded(scenes.copying()))
    window.environment = {**window.environment, "XDG_CONFIG_HOME": str(tmp_path)}
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        window.change_colours()
        await settled(pilot)
        assert window.theme == "nightferry-light"
        assert "These colours are not remembered" in shown(window)
