"""A night without an engine: events told by the test, requests kept for it to look at."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from textual.pilot import Pilot
from textual.widgets import Static

from profiles.events import Event
from profiles.fold import Night
from profiles.requests import Request
from tui.app import Nightferry
from tui.frame import Frame
from tui.nights import Known
from tui.screens.journal import JournalScreen
from tui.widgets.lines import Lines
from tui.words.text import plain

START = datetime(2026, 11, 20, 3, 0, 0, tzinfo=UTC)
DAY = timedelta(days=1)
DEADLINE_S = 10.0


NIGHTS = (
    Known("orders-2026-20261120-0300-ab12", Path("/nights/a"), True, "at Replication setup", START),
    Known("orders-2026-20261119-0210-cd34", Path("/nights/b"), False, "ended", START - DAY),
)


class Recorded:
    """A link that tells what it is given, numbered and a second apart."""

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.state = Night()
        self.lost = ""
        self.sent: list[Request] = []
        self._told: asyncio.Queue[Event | None] = asyncio.Queue()
        for event in numbered(events):
            self.state.apply(event)

    @property
    def caught_up(self) -> bool:
        """A recording has nothing to catch up with."""
        return True

    def tell(self, *events: Event) -> None:
        """The engine says something now."""
        for event in numbered(events, self.state.seq, self.state.at):
            self._told.put_nowait(event)

    def lose(self, why: str) -> None:
        """The engine is heard no more, or again (an empty reason)."""
        self.lost = why
        self._told.put_nowait(None)

    async def events(self) -> AsyncIterator[Event | None]:
        """What is told, folded as it is read."""
        while True:
            event = await self._told.get()
            if event is not None:
                self.state.apply(event)
            yield event
            self._told.task_done()

    async def send(self, request: Request) -> None:
        """Keep the request."""
        self.sent.append(request)

    async def heard(self) -> None:
        """Wait until the window has read everything."""
        async with asyncio.timeout(DEADLINE_S):
            await self._told.join()


def numbered(events: Iterable[Event], seq: int = 0, at: datetime = START) -> list[Event]:
    """The events as an engine publishes them: numbered, timed, of one night."""
    told = []
    for event in events:
        seq, at = seq + 1, max(at, START) + timedelta(seconds=1)
        told.append(msgspec.structs.replace(event, seq=seq, at=at, night="orders-2026"))
    return told


class Window(Nightferry):
    """The wizard over a recording: its clock is the recording's, its terminal is a modern one."""

    def __init__(self, link: Recorded | None, *, watch: bool = False) -> None:
        self.recorded = link
        environment = {"LANG": "C.UTF-8", "TERM": "xterm-256color", "STY": "1.night"}
        super().__init__(
            Path("/nights/orders-2026") if link else None,
            watch=watch,
            clock=self._now,
            steady=lambda: 0.0,
            link_to=lambda folder, watch: link or Recorded(),
            nights=self._nights,
            environment=environment,
        )
        self.listed: list[Known] = list(NIGHTS) if link else []

    def _now(self) -> datetime:
        return self.recorded.state.at if self.recorded and self.recorded.state.seq else START

    def _nights(self) -> list[Known]:
        return self.listed


async def settled(pilot: Pilot[str]) -> None:
    """Everything told has been read, everything asked has left, and it is drawn."""
    window = pilot.app
    assert isinstance(window, Window)
    if window.recorded is not None:
        await window.recorded.heard()
    await pilot.pause()
    async with asyncio.timeout(DEADLINE_S):
        await window.all_sent()
        while not _drawn(window):
            await pilot.pause(0.01)
    for _ in range(2):  # a screen that was just entered draws once it has its size
        window.mark_dirty()
        window.tick()
        await pilot.pause()


def _drawn(window: Window) -> bool:
    """The screen on top has been laid out and drawn once; dialogs draw themselves."""
    if not isinstance(window.screen, Frame | JournalScreen):
        return True
    footer = window.screen.query_one_optional("#footer", Lines)
    return footer is not None and bool(footer._lines)


async def press(pilot: Pilot[str], *keys: str) -> None:
    """Press keys one after another, each taken before the next."""
    for key in keys:
        await pilot.press(key)
        await settled(pilot)


def shown(window: Nightferry) -> str:
    """What stands on the screen, as text."""
    screen = window.screen
    panels = screen.query(Lines)
    told = [plain(each) for panel in panels for each in panel._lines]
    told += [str(static.content) for static in screen.query(Static)]
    return "\n".join(told)


def phase_of(window: Nightferry) -> str:
    """The phase whose screen is on top."""
    screen = window.screen
    assert isinstance(screen, Frame), screen
    return screen.PHASE
