"""A terminal that stops reading, keys faster than it draws, an engine that dies: no lie on screen.

The ten seconds of a stalled line are played by what matters of them: more unread output than the
terminal, the window and the socket between window and engine can hold.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from engine.window import BUFFER_LIMIT_BYTES
from profiles.events import Said, Sampled
from profiles.journal import read_events
from profiles.requests import Confirm, Probe, RunPhase
from rehearsal.processes import until
from tests.fix_engine import Served
from tests.fix_window import tell, told, window_on
from tests.tui import scenes

pytestmark = pytest.mark.live

PATIENCE_S = 20.0
EVENT_S = 0.02
"""The longest that telling an event may take on a loaded machine; a wait would be far longer."""
LONG = "x" * 2000


@pytest.fixture(autouse=True)
def _nights_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def reading(behind_mb: int) -> Sampled:
    return Sampled(behind_bytes=behind_mb * scenes.MB, behind_s=1.0, write_rate=1.0, apply_rate=2.0)


def unsent(night: Served) -> int:
    """Bytes that the engine holds for its windows."""
    writers = [window._writer for window in night.server._windows]
    return sum(writer.transport.get_write_buffer_size() for writer in writers)


# A terminal that stops reading


async def stuck(night: Served) -> float:
    """Go on with the night until the window takes nothing more; the longest telling, seconds."""
    slowest = 0.0
    for number in range(20_000):
        began = time.perf_counter()
        tell(night, [reading(number % 900), Said(text=f"{number} {LONG}")])
        slowest = max(slowest, time.perf_counter() - began)
        await asyncio.sleep(0)
        if number % 20 == 0:
            await until(lambda: not unsent(night), 0.02, every_s=0.002)
        if unsent(night) > BUFFER_LIMIT_BYTES // 2:
            return slowest
    pytest.fail("the window takes everything, although nobody reads what it draws")


async def test_a_terminal_that_stops_reading_delays_nobody_and_then_shows_what_is_new() -> None:
    async with told(scenes.streaming()) as night, window_on(night) as window:
        window.keys("8")
        await window.shows("retained WAL")
        with window.unread():
            slowest = await stuck(night)
            tell(night, [reading(777), Said(text="the newest")])
            assert unsent(night) <= BUFFER_LIMIT_BYTES + 10 * len(LONG)
        night.live.sync()
        said = [event for event in read_events(night.live.folder).events if isinstance(event, Said)]
        assert said[-1].text == "the newest"
        assert slowest < EVENT_S
        await window.shows("behind   777 MB", "the newest", deadline_s=PATIENCE_S)


async def test_a_window_that_was_dropped_for_not_reading_comes_back_by_itself() -> None:
    async with told(scenes.streaming()) as night, window_on(night) as window:
        window.keys("8")
        await window.shows("retained WAL")
        with window.unread():
            await stuck(night)
            while night.server._windows:
                tell(night, [Said(text=LONG)])
                await asyncio.sleep(0)
            tell(night, [reading(777)])
        await window.shows("behind   777 MB", deadline_s=PATIENCE_S)
        assert "no engine is heard" not in window.text
        tell(night, [reading(778)])
        await window.shows("behind   778 MB")


# Keys pressed faster than it draws


async def test_keys_faster_than_the_screen_are_taken_each_once_and_in_order() -> None:
    async with told(scenes.up_to_preflight()) as night, window_on(night) as window:
        before = probed(night)
        window.keys("2p3p4p2p3p")
        wanted = [*before, "servers", "route", "network", "servers", "route"]
        await until(lambda: len(probed(night)) >= len(wanted), PATIENCE_S)
        await window.still()
        assert probed(night) == wanted


def probed(night: Served) -> list[str]:
    return [each.phase for each in night.desk.handled if isinstance(each, Probe)]


async def test_a_name_typed_ahead_goes_into_the_question_it_answers() -> None:
    async with told(scenes.up_to_replication()[:-1]) as night, window_on(night) as window:
        window.keys("7adb-old\r")
        await until(lambda: len(requests(night)) >= 2, PATIENCE_S)
        first, second = requests(night)[:2]
        assert isinstance(first, Confirm) and first.server == "db-old"
        assert isinstance(second, RunPhase) and second.phase == "replication"
        await window.still()
        assert len(requests(night)) == 2


def requests(night: Served) -> list[object]:
    return [each for each in night.desk.handled if not isinstance(each, Probe)]


# An engine that dies


async def test_a_dead_engine_is_said_with_its_time_and_no_old_figure_is_of_now() -> None:
    async with told(scenes.streaming()) as night, window_on(night, watch=True) as window:
        window.keys("8")
        tell(night, [reading(410)])
        await window.shows("behind   410 MB")
        assert "nothing has been read" not in window.text
        await night.server.close()
        since = f"{night.live.state.at:%H:%M:%S} UTC"
        await window.shows(f"no engine is heard since {since}")
        await window.shows(f"nothing has been read since {since.removesuffix(' UTC')}")
