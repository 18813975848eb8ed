"""The wizard's window: it hears a night, draws it, and asks for what the operator chooses.

It owns the link, the clock and the screens, and decides nothing about the night. No driver is
loaded here; the engine is a process of its own.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from rich.console import RenderableType
from textual import events
from textual.app import App
from textual.screen import Screen
from textual.worker import Worker, WorkerState

from profiles.errors import NightferryError
from profiles.events import (
    Event,
    GateRead,
    HostSampled,
    NightEnded,
    Probed,
    Progressed,
    Refused,
    Said,
    Sampled,
)
from profiles.fold import Night
from profiles.requests import Request
from tui import clipboard, doing, glyphs, terminal, theme
from tui.frame import Frame
from tui.link import EngineLink, Link
from tui.narrow import narrowed
from tui.nights import Known, known_nights
from tui.palette import Offers
from tui.screens import SCREENS
from tui.screens.journal import JournalScreen
from tui.typeahead import TypeAhead
from tui.waiting import AFTER_S, Waiting
from tui.widgets.dialogs import Page, error_lines
from tui.widgets.lines import Lines
from tui.words import attention
from tui.words.asked import asked
from tui.words.text import Line, text_of
from tui.words.view import Ground, View, ground_of

REDRAWS_PER_S = 4
CLOCK_TICK_S = 1.0
ANSWERS_S = 0.2
"""How long a window that has just been opened waits for its night before it shows a screen."""
READINGS = (Sampled, HostSampled, Progressed, Probed, GateRead)
"""What is measured on and on answers nobody."""

Clock = Callable[[], datetime]
Steady = Callable[[], float]
LinkTo = Callable[[Path, bool], Link]
Rehearse = Callable[[], Path]
Nights = Callable[[], list[Known]]


def utc_now() -> datetime:
    """The clock of a real night."""
    return datetime.now(UTC)


def engine_link(folder: Path, watch: bool) -> Link:
    """The link of a real night: to its engine, started where there is none."""
    return EngineLink(folder, watch=watch)


class Nightferry(App[str]):
    """One window. It ends with ``detach``, ``stop``, ``end`` (the rehearsal) or nothing."""

    CSS_PATH = Path(__file__).with_name("app.tcss")
    COMMANDS = {Offers}
    HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (60, "-narrow"), (100, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (20, "-usable"), (30, "-tall")]
    BINDINGS: ClassVar = [("ctrl+q", "leave", "Quit")]

    def __init__(
        self,
        folder: Path | None,
        *,
        watch: bool = False,
        clock: Clock = utc_now,
        steady: Steady = time.monotonic,
        link_to: LinkTo = engine_link,
        nights: Nights = known_nights,
        rehearse: Rehearse | None = None,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        super().__init__()
        for each in theme.THEMES.values():
            self.register_theme(each)
        self.theme = theme.remembered(environment)
        self.folder = folder
        self.watch_only = watch
        self.nights = nights
        self.rehearse = rehearse
        self.environment = environment
        self._clock = clock
        self._steady = steady
        self._link_to = link_to
        self._link: Link | None = None
        self._outbox: asyncio.Queue[Request] = asyncio.Queue()
        self._typeahead = TypeAhead()
        self._waiting = Waiting()
        self._called_for: frozenset[str] | None = None
        """What a person was called for; None until the night as it was found has been seen."""
        self.titled = ""
        """What the terminal's title says."""
        self._dirty = True
        self.arrived = False
        """The window shows the phase in which the night stands, and may ask for looks."""
        self._asked_for: frozenset[str] = frozenset()

    @property
    def view(self) -> View:
        """What the screens are drawn from."""
        link = self._link
        return View(
            night=link.state if link else Night(),
            now=self._clock(),
            lost=link.lost if link else "",
            watch=self.watch_only,
            open=link is not None,
            waiting=self._waiting.said(self._steady()),
            alone=not terminal.held_by_a_multiplexer(self.environment),
        )

    @property
    def ground(self) -> Ground | None:
        """Production or a rehearsal; None while no night is open."""
        return ground_of(self._link.state) if self._link else None

    def on_mount(self) -> None:
        """Take the terminal's glyphs and the signals, open the night, start the two timers."""
        Lines.glyphs = glyphs.table_here(self.environment)
        self.set_class(Lines.glyphs is glyphs.ASCII, "-ascii")
        self.set_class(self.console.color_system == "standard", "-sixteen")
        for number in (signal.SIGHUP, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._hung_up, number)
        if self.folder is not None:
            self.open_night(self.folder, watch=self.watch_only)
        else:
            self.push_screen(SCREENS["sessions"]())
        self.set_interval(1 / REDRAWS_PER_S, self.tick)
        self.set_interval(CLOCK_TICK_S, self.mark_dirty)

    async def on_event(self, event: events.Event) -> None:
        """What is typed goes on once what was typed before it has been dealt with."""
        typed = event if isinstance(event, events.Key | events.Paste) else None
        if typed is None or typed.is_forwarded or self._typeahead.next(self, typed):
            await super().on_event(event)

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        super()._display(screen, narrowed(renderable))

    # The night

    def open_night(self, folder: Path, *, watch: bool = False) -> None:
        """Listen to the night of that folder."""
        self.folder, self.watch_only, self.arrived = folder, watch, False
        self._waiting, self._called_for = Waiting(), None
        self._link = self._link_to(folder, watch)
        self._outbox = asyncio.Queue()
        if isinstance(self.screen, Frame):
            self.go_to("servers")
        else:  # a night that answers at once is shown where it stands, with nothing before it
            self.set_timer(ANSWERS_S, self._show_a_screen)
        self.run_worker(
            self._listen(self._link), group="listen", exclusive=True, exit_on_error=False
        )
        sending = self._send_all(self._link, self._outbox)
        self.run_worker(sending, group="send", exclusive=True, exit_on_error=False)

    async def _listen(self, link: Link) -> None:
        self._arrive(link)
        async for event in link.events():
            self.mark_dirty()
            if not isinstance(event, READINGS):
                self._waiting.heard(self._steady())
            self._tell_of(event)
            self._arrive(link)

    def _tell_of(self, event: Event | None) -> None:
        """What is said to the operator at once, beside being drawn."""
        match event:
            case Refused():
                self.tell(f"refused: {event.why}", trouble=True)
            case NightEnded():
                self.tell(f"The night has ended. Its report: {event.report}")
            case Said() if self.arrived:
                self.tell(event.text, trouble=event.trouble)

    async def _send_all(self, link: Link, outbox: asyncio.Queue[Request]) -> None:
        """One after another, in the order they were asked: a confirmation before its step."""
        while True:
            request = await outbox.get()
            try:
                await link.send(request)
            except NightferryError as error:
                self._waiting.heard(self._steady())
                self.tell(str(error), trouble=True)
            finally:
                outbox.task_done()

    def ask(self, request: Request) -> None:
        """Ask the engine; a window that only watches asks nothing."""
        if self.watch_only:
            self.tell("This window only watches; open the night in another to act.", trouble=True)
        elif self._link is None:
            self.tell("No night is open: choose one first.", trouble=True)
        else:
            self._waiting.asked(asked(self._link.state, request), self._steady())
            self.set_timer(AFTER_S, self.tick)
            self._outbox.put_nowait(request)

    async def all_sent(self) -> None:
        """Wait until everything that was asked has left."""
        await self._outbox.join()

    # Drawing

    def mark_dirty(self) -> None:
        """Something has changed; the next tick draws it."""
        self._dirty = True

    def tick(self) -> None:
        """Draw what has changed, at most so often."""
        if not self.screen_stack:
            return  # the window is ending: its timers go last
        view = self.view
        paused = view.night.stretch is not None and view.night.armed
        if not self._dirty and not paused and not self._waiting.goes_on(self._steady()):
            return
        self._dirty = False
        self._call(view)
        self._ask_what_is_wanted(view.night)
        if isinstance(self.screen, Frame | JournalScreen):
            self.screen.redraw()

    def _call(self, view: View) -> None:
        """The bell, once for each occasion that came since the window did; the title, always."""
        if self.arrived:
            wanted = attention.occasions(view.night)
            if self._called_for is not None and wanted - self._called_for:
                self.bell()
            self._called_for = wanted
        titled = attention.title(view)
        if titled != self.titled:
            self.titled = titled
            if terminal.takes_titles(self.environment):
                self._write(terminal.titled(titled))

    def _write(self, text: str) -> None:
        if self._driver is not None and not self.is_headless:
            self._driver.write(text)

    def _ask_what_is_wanted(self, night: Night) -> None:
        """A password that nobody holds, a host key that nobody knows: asked once each by itself."""
        wanted = frozenset([*night.secrets_wanted, *night.keys_wanted])
        if isinstance(self.screen, Frame) and not self.screen.INTERRUPTED:
            return  # it is asked once this has been left
        if wanted - self._asked_for and isinstance(self.screen, Frame) and not self.watch_only:
            if night.keys_wanted:
                self.compare_keys()
            else:
                self.ask_secrets()
        self._asked_for = wanted

    def _arrive(self, link: Link) -> None:
        """Go to where the night stands, once, as soon as it is known; before that nobody asks."""
        if self.arrived or not link.caught_up:
            return
        self.arrived = True
        phase = link.state.current_phase()
        self.go_to("servers" if phase == "sessions" else phase)

    def _show_a_screen(self) -> None:
        """Whatever the engine is doing: something is to be seen."""
        if not any(isinstance(each, Frame) for each in self.screen_stack):
            self.go_to("servers")

    def go_to(self, phase: str) -> None:
        """The screen of a phase, drawn anew from the night."""
        if isinstance(self.screen, Frame) and phase == self.screen.PHASE:
            self.screen.entered()
        elif isinstance(self.screen, Frame):
            self.switch_screen(SCREENS[phase]())
        else:
            self.push_screen(SCREENS[phase]())

    def tell(self, text: str, *, trouble: bool = False) -> None:
        """A message above the footer, on whichever screen of the wizard is on top."""
        for screen in reversed(self.screen_stack):
            if isinstance(screen, Frame | JournalScreen):
                screen.tell(text, trouble=trouble)
                return

    # What any screen may want

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin something with dialogs; only one at a time."""
        self.run_worker(work, group="dialog", exclusive=True, exit_on_error=False)

    def ask_secrets(self) -> None:
        """Have the passwords typed that nobody holds."""
        self.begin(doing.tell_secrets(self))

    def compare_keys(self) -> None:
        """Have the host keys compared that nobody knows yet."""
        self.begin(doing.compare_keys(self))

    def read(self, title: str, lines: Sequence[Line]) -> None:
        """A page to read: help, an error."""

        def after(answer: str | None) -> None:
            if answer == "copy":
                self.copy_text(text_of(lines))

        self.push_screen(Page(title, lines), after)

    def show_journal(self) -> None:
        """Everything that happened, as lines."""
        self.push_screen(JournalScreen())

    def change_colours(self) -> None:
        """The other theme, now and the next time."""
        self.theme = theme.other(self.theme).name
        try:
            theme.remember(self.theme, self.environment)
        except OSError as error:
            said = f"These colours are not remembered: {error.filename}: {error.strerror}"
            self.tell(said, trouble=True)

    def copy_text(self, text: str) -> None:
        """Copy, and say where it went."""
        driver = self._driver
        write = driver.write if driver is not None else None
        self.tell(clipboard.copy(text, inside_tmux="TMUX" in self.environment, write=write))

    def leave(self) -> None:
        """Ask before leaving."""
        self.begin(doing.leave(self))

    def action_leave(self) -> None:
        """Textual's own quitting key asks too."""
        self.leave()

    def action_help_quit(self) -> None:
        """ctrl+c ends nothing here."""
        self.tell("q asks before it quits; ctrl+z detaches")

    def detach(self) -> None:
        """End the window; the night goes on."""
        self.part("detach")

    def part(self, how: str) -> None:
        """End the window once everything asked has left."""
        self.run_worker(self._part(how), group="part", exit_on_error=False)

    async def _part(self, how: str) -> None:
        if self._link is not None and not self._link.lost:
            await self.all_sent()
        self.exit(how)

    def _hung_up(self, number: int) -> None:
        self.exit("detach", return_code=128 + number)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """A worker that failed is said, never swallowed."""
        if event.state is WorkerState.ERROR:
            error = event.worker.error
            ours = isinstance(error, NightferryError)
            text = str(error) if ours else f"the window itself: {type(error).__name__}: {error}"
            self.read("Trouble", error_lines(text))
