"""1 Sessions: the nights of this machine; resume, watch, begin one, rehearse."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

from profiles.errors import NightferryError, ProfileError
from tui.keys import Offer
from tui.nights import Known, begin_from, begin_named
from tui.phase import PhaseScreen
from tui.widgets.dialogs import Ask
from tui.words import sessions
from tui.words.rows import Row
from tui.words.text import Line, Span, line, wrap

ERROR_CELLS = 70


class SessionsScreen(PhaseScreen):
    """Every night there is, and the ways to another."""

    PHASE = "sessions"
    PROBES = False
    CSS_PATH = "sessions.tcss"
    HELP_WORDS = (
        "A night lives in a process of its own and goes on without a window. enter resumes the "
        "focused one (its engine is started if it has none), w watches it without acting, n "
        "begins a night whose profile is entered in a form, o one on a profile in a file, "
        "r rehearses on two throwaway servers of this machine."
    )

    def __init__(self) -> None:
        super().__init__()
        self._known: list[Known] | None = None

    def entered(self) -> None:
        """Look for nights."""
        self.window.begin(self._look())

    async def _look(self) -> None:
        try:
            self._known = await asyncio.to_thread(self.window.nights)
        except NightferryError as error:
            self.tell(str(error), trouble=True)
        self.redraw()

    def rows(self, cells: int) -> list[Row]:
        """One row a night."""
        return sessions.rows(self._known or [], self.view.now, cells)

    def nothing(self) -> str:
        """Said where there is no night."""
        if self._known is None:
            return "Looking for nights …"
        return "No night yet on this machine: n begins one, o one on a profile, r rehearses."

    def detail_of(self, row: Row, cells: int) -> list[Line]:
        """Where it is on disk, and what is wrong with it."""
        return [] if self._chosen is None else sessions.detail(self._chosen, cells)

    @property
    def _chosen(self) -> Known | None:
        row = self.listed.current
        found = [each for each in self._known or [] if row and each.name == row.key]
        return found[0] if found else None

    def offers(self) -> list[Offer]:
        """Resume, watch, new, rehearse."""
        chosen = self._chosen
        none = "" if chosen else "there is no night to choose"
        broken = "its journal cannot be read" if chosen and chosen.trouble else ""
        dead = "" if chosen and chosen.live else "no engine holds it; enter resumes it"
        no_box = "" if self.window.rehearse else "start it with: nightferry rehearse"
        return [
            Offer("enter", "Resume", partial(self._open, False), none or broken, area="night"),
            Offer("w", "Watch", partial(self._open, True), none or broken or dead, area="night"),
            Offer("n", "New", self._begin, area="night"),
            Offer("o", "Open a profile", self._begin_on_profile, area="night"),
            Offer("r", "Rehearse", self._rehearse, no_box, area="night"),
            Offer("p", "Look again", self.entered, area="phase"),
        ]

    def _open(self, watch: bool) -> None:
        if self._chosen is not None:
            self.window.open_night(self._chosen.path, watch=watch)

    def _begin(self) -> None:
        self.window.begin(self._new())

    async def _new(self) -> None:
        said = ["What is this move called? Its name stands in the report and in file names."]
        typed = await self.window.push_screen_wait(
            Ask("A new night", said, placeholder="orders-2026")
        )
        if typed is not None:
            await self._come_by(partial(begin_named, typed))

    def _begin_on_profile(self) -> None:
        self.window.begin(self._new_on_profile())

    async def _new_on_profile(self) -> None:
        said = ["The profile says which servers, which endpoints, which route.", "Its path:"]
        typed = await self.window.push_screen_wait(
            Ask("A new night on a profile", said, placeholder="move.toml")
        )
        if typed is not None:
            await self._come_by(partial(begin_from, Path(typed)))

    def _rehearse(self) -> None:
        if self.window.rehearse is not None:
            self.tell("Preparing two servers and an application that writes …")
            self.window.begin(self._come_by(self.window.rehearse))

    async def _come_by(self, way: Callable[[], Path]) -> None:
        """Open the night that this way makes, or show everything that is wrong with it."""
        try:
            folder = await asyncio.to_thread(way)
        except ProfileError as error:
            self.window.read(f"The profile {error.where}", _problems(error))
        except NightferryError as error:
            self.window.read("No night was begun", wrap(str(error), ERROR_CELLS))
        else:
            self.window.open_night(folder)


def _problems(error: ProfileError) -> list[Line]:
    """Every problem at once: one journey to the editor."""
    count = len(error.problems)
    lines = [line(Span(f"✗ {count} problems; nothing was begun.", "stop")), line()]
    for problem in error.problems:
        lines += wrap(f"· {problem}", ERROR_CELLS)
    return lines
