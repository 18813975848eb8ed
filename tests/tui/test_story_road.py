"""The rehearsal's road, made worse from the palette; a night that is none has no such entry."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest
from textual.widgets import Input, OptionList, Static
from textual.worker import WorkerFailed

from profiles.errors import HostError
from rehearsal.wire import Conditions
from tests.tui import scenes
from tests.tui.recorded import Recorded, Window, press, settled, shown
from tui import rehearse
from tui.frame import Frame
from tui.palette import Offers
from tui.widgets.dialogs import Page
from tui.widgets.knobs import Knobs

SMALL = (80, 24)
ENTRY = "night: Change the rehearsal's road"
NOW = Conditions(delay_ms=2.0, jitter_ms=0.2)


@pytest.fixture
def turned(monkeypatch: pytest.MonkeyPatch) -> list[Mapping[str, str]]:
    """A rehearsal on a road; what its knobs were turned to."""
    told: list[Mapping[str, str]] = []

    def change(night: Path | None, typed: Mapping[str, str]) -> str:
        told.append(typed)
        return "The road is now: 80 ± 0.2 ms each way."

    monkeypatch.setattr(rehearse, "road_of", lambda night: NOW)
    monkeypatch.setattr(rehearse, "change_road", change)
    return told


def entries(window: Window) -> list[str]:
    """What the palette has on the screen that is shown."""
    assert isinstance(window.screen, Frame)
    return [name for name, _ in Offers(window.screen)._offers()]


def wrong(window: Window) -> list[str]:
    """What is said beside the fields."""
    return [str(each.render()) for each in window.screen.query(".knob-wrong").results(Static)]


async def test_a_night_on_no_road_has_no_such_entry() -> None:
    window = Window(Recorded(scenes.rehearsing()))
    async with window.run_test(size=SMALL) as pilot:
        await settled(pilot)
        assert ENTRY not in entries(window)


async def test_who_only_watches_changes_no_road(turned: list[Mapping[str, str]]) -> None:
    window = Window(Recorded(scenes.rehearsing()), watch=True)
    async with window.run_test(size=SMALL) as pilot:
        await settled(pilot)
        assert ENTRY not in entries(window)


async def test_the_road_is_changed_by_keys_from_the_palette(
    turned: list[Mapping[str, str]],
) -> None:
    window = Window(Recorded(scenes.rehearsing()))
    async with window.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("ctrl+p", *"road")
        async with asyncio.timeout(10):
            while not window.screen.query_one(OptionList).option_count:
                await pilot.pause(0.05)
            await pilot.press("enter")
            while not isinstance(window.screen, Knobs):
                await pilot.pause(0.05)
        fields = {field.id: field.value for field in window.screen.query(Input)}
        assert fields == {
            "delay-ms": "2",
            "jitter-ms": "0.2",
            "loss-percent": "0",
            "rate-mbit": "0",
        }
        assert all(field.region.height == 1 for field in window.screen.query(Input))
        await pilot.press(*"80", "down", "down", *"much", "enter")
        assert turned == []
        assert wrong(window) == ["", "", "✗ not a number", ""]
        assert window.focused is window.screen.query_one("#loss-percent")
        await pilot.press(*(["backspace"] * 4), *"0.5", "enter")
        await settled(pilot)
        await dialogs_over(window)
        await settled(pilot)
        assert "The road is now: 80" in shown(window)
    expected = {"delay-ms": "80", "jitter-ms": "0.2", "loss-percent": "0.5", "rate-mbit": "0"}
    assert turned == [expected]


async def test_leaving_the_dialog_leaves_the_road(turned: list[Mapping[str, str]]) -> None:
    window = Window(Recorded(scenes.rehearsing()))
    async with window.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await opened(window)
        await settled(pilot)
        await press(pilot, "up", "escape")
        assert isinstance(window.screen, Frame)
    assert turned == []


async def test_a_road_that_cannot_be_changed_says_why(
    turned: list[Mapping[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(night: Path | None, typed: Mapping[str, str]) -> str:
        raise HostError("this machine", "change the road", "the rehearsal is gone")

    monkeypatch.setattr(rehearse, "change_road", refuse)
    window = Window(Recorded(scenes.rehearsing()))
    async with window.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await opened(window)
        await settled(pilot)
        await pilot.press("enter")
        await dialogs_over(window)
        await settled(pilot)
        assert isinstance(window.screen, Page)
        assert "the rehearsal is gone" in shown(window)


async def dialogs_over(window: Window) -> None:
    """What was begun with a dialog has come to its end, well or not."""
    for each in [each for each in window.workers if each.group == "dialog"]:
        with suppress(WorkerFailed):
            await each.wait()


async def opened(window: Window) -> None:
    """Take the palette's entry."""
    assert isinstance(window.screen, Frame)
    offers = dict(Offers(window.screen)._offers())
    offers[ENTRY].do()


def test_a_night_that_moves_no_rehearsal_has_no_road(tmp_path: Path) -> None:
    assert rehearse.road_of(None) is None
    assert rehearse.road_of(tmp_path) is None
    with pytest.raises(HostError, match="the rehearsal is gone"):
        rehearse.change_road(tmp_path, {})
