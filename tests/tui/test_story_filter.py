"""Filtering a long list by what is typed after ``/``, on the screens and in the journal."""

from __future__ import annotations

import pytest
from textual.content import Content

from profiles import events as ev
from tests.tui import scenes
from tests.tui.recorded import Recorded, Window, phase_of, press, settled, shown
from tui.phase import PhaseScreen
from tui.widgets.lines import Lines
from tui.widgets.rows import Rows


def listed(window: Window) -> Rows:
    assert isinstance(window.screen, PhaseScreen)
    return window.screen.listed


def border(panel: Lines) -> str:
    return Content.from_markup(panel.border_subtitle or "").plain


async def test_typing_narrows_the_list_and_the_border_says_to_what() -> None:
    window = Window(Recorded(scenes.forty_findings()))
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        every = sum(row.selectable for row in listed(window).rows)
        await press(pilot, "/", *"stop")
        kept = [row for row in listed(window).rows if row.selectable]
        assert 0 < len(kept) < every
        assert border(listed(window)).startswith(f"/stop▏ {len(kept)} of {every}")
        await press(pilot, "enter")
        assert border(listed(window)).startswith(f"/stop {len(kept)} of {every}")
        await press(pilot, "escape")
        assert sum(row.selectable for row in listed(window).rows) == every
        assert border(listed(window)).startswith("/ filters   1–")


async def test_the_keys_of_the_screen_are_letters_while_one_types() -> None:
    link = Recorded(scenes.forty_findings())
    window = Window(link)
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "/", *"p8q]l")
        assert phase_of(window) == "preflight"
        assert listed(window).narrowing.text == "p8q]l"
        assert link.sent == []
        assert "No row holds that" in shown(window)
        await press(pilot, *["backspace"] * 6, "escape", "8")
        assert phase_of(window) == "lag"


async def test_the_cursor_stays_on_its_row_when_the_others_come_back() -> None:
    window = Window(Recorded(scenes.forty_findings()))
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "end")
        last = listed(window).key
        word = last.rpartition("|")[0].rpartition(":")[2].split("|")[0]
        await press(pilot, "/", *word)
        assert listed(window).key == last
        await press(pilot, "escape")
        assert listed(window).key == last
        assert listed(window).scroll_offset.y > 0


async def test_new_findings_are_filtered_as_they_come() -> None:
    link = Recorded(scenes.forty_findings())
    window = Window(link)
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "/", *"zebra", "enter")
        assert "No row holds that" in shown(window)
        found = scenes.finding("pg.zebra", "preflight", "warn", "a zebra stands on the road")
        link.tell(ev.Found(finding=found))
        await settled(pilot)
        assert [row.key for row in listed(window).rows if row.selectable] == [
            "finding:pg.zebra|db-old|"
        ]


async def test_what_is_typed_is_no_markup() -> None:
    window = Window(Recorded(scenes.forty_findings()))
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "/", "[", "b", "]")
        assert "[b]" in border(listed(window))


async def test_the_footer_says_the_keys_of_the_filter_and_help_knows_it() -> None:
    window = Window(Recorded(scenes.forty_findings()))
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "/")
        assert "Keep the filter" in shown(window)
        assert "Show all rows" in shown(window)
        await press(pilot, "escape", "?")
        assert "       /  Filter" in shown(window)


async def test_the_border_of_a_list_that_does_not_fit_says_that_it_can_be_filtered() -> None:
    for scene, offered in ((scenes.forty_findings, True), (scenes.preflight_stop, False)):
        window = Window(Recorded(scene()))
        async with window.run_test(size=(120, 40)) as pilot:
            await settled(pilot)
            assert border(listed(window)).startswith("/ filters") is offered


async def test_leaving_the_list_ends_the_typing_and_keeps_the_filter() -> None:
    window = Window(Recorded(scenes.forty_findings()))
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "/", *"stop", "tab")
        assert not listed(window).narrowing.typing
        assert listed(window).narrowing.text == "stop"
        await press(pilot, "8")
        assert phase_of(window) == "lag"


async def test_the_journal_is_filtered_by_the_whole_line_and_copied_as_filtered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    copied: list[str] = []
    window = Window(Recorded(scenes.moved()))
    monkeypatch.setattr(window, "copy_text", copied.append)
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "l", "/", *"engine ANEW")
        panel = window.screen.query_one("#journal", Lines)
        assert border(panel).startswith("/engine ANEW▏ 1 of ")
        await press(pilot, "enter", "y")
        assert len(copied) == 1
        assert copied[0].count("\n") == 0
        assert "started anew" in copied[0]
        await press(pilot, "escape")
        assert len(panel._lines) > 1
        await press(pilot, "escape")
        assert phase_of(window) == "cutover"


async def test_the_journal_has_the_header_and_says_where_a_copy_went() -> None:
    window = Window(Recorded(scenes.paused()))
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "l")
        assert "WRITES PAUSED" in shown(window)
        await press(pilot, "y")
        assert "sent to the terminal's clipboard" in shown(window)
        await press(pilot, "?")
        assert "Everything that happened to the night" in shown(window)
