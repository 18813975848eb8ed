"""The real window in a real terminal, on a night that is a list of events told by the test."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from engine.launch import begin
from engine.night import LiveNight
from profiles.events import Event
from profiles.fold import fold
from profiles.journal import Journal
from profiles.nights import clear_socket, make_socket_path
from tests.fix_engine import Served
from tests.fix_pty import Pty, in_a_pty
from tests.tui import scenes

NIGHTFERRY = str(Path(sys.executable).with_name("nightferry"))
OF_THIS_TERMINAL = ("NO_COLOR", "COLORTERM", "TMUX", "STY", "LANG", "LC_ALL", "LC_CTYPE")
MODERN = {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}


@asynccontextmanager
async def told(events: Iterable[Event]) -> AsyncIterator[Served]:
    """A night on which all this has happened, with an engine's socket and nothing behind it."""
    folder = begin(scenes.a_profile())
    with Journal.open(folder) as journal:
        live = LiveNight(folder, journal, fold(journal.events), lambda: datetime.now(UTC))
        night = Served(live)
        tell(night, events)
        await night.server.open(make_socket_path(folder))
        try:
            yield night
        finally:
            night.desk.hold.set()
            await night.server.close()
            clear_socket(folder)


def tell(night: Served, events: Iterable[Event]) -> None:
    """It happens now; what the journal begins with has happened already."""
    for event in list(events):
        if event.__struct_config__.tag != "night-began":
            night.live.publish(event, wait=False)


@asynccontextmanager
async def window_on(
    night: Served,
    environment: Mapping[str, str] = MODERN,
    size: tuple[int, int] = (80, 24),
    *,
    watch: bool = False,
) -> AsyncIterator[Pty]:
    """``nightferry attach`` (or ``watch``) in a terminal of that kind, drawn once."""
    kept = {name: value for name, value in os.environ.items() if name not in OF_THIS_TERMINAL}
    argv = [NIGHTFERRY, "watch" if watch else "attach", night.live.name]
    async with in_a_pty(argv, {**kept, **environment}, size) as terminal:
        await terminal.shows("pg 16.14 db-old", "? Help")
        await terminal.still()
        yield terminal
