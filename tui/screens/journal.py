"""The journal as lines: everything that happened, the newest last."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual import events
from textual.app import ComposeResult
from textual.screen import Screen

from tui.keys import Offer, find, footer_line, help_lines
from tui.widgets.lines import Lines
from tui.widgets.narrowing import Narrowing
from tui.widgets.rows import OFFERED
from tui.words import header, helps
from tui.words.journal import journal_lines
from tui.words.text import Line, line, message, plain, text_of, wrap

if TYPE_CHECKING:
    from tui.app import Nightferry

HELP_CELLS = 70
WHOLE = 10_000
"""Cells: nothing of a line is cut off when it is looked through, or copied."""


class JournalScreen(Screen[None]):
    """Follows the end of the journal until it is scrolled up."""

    CSS_PATH = "journal.tcss"

    def __init__(self) -> None:
        super().__init__()
        self._header = Lines(id="header")
        self._panel = Lines(id="journal", can_focus=True)
        self._panel.border_title = "Journal"
        self._panel.offered = OFFERED
        self._message = Lines(id="message")
        self._footer = Lines(id="footer")
        self._narrowing = Narrowing()

    @property
    def window(self) -> Nightferry:
        """The app, by its own type."""
        return cast("Nightferry", self.app)

    def compose(self) -> ComposeResult:
        """The header of every screen, one panel, what is told, and a footer."""
        yield self._header
        yield self._panel
        yield self._message
        yield self._footer

    def on_mount(self) -> None:
        """Draw once there is a size, and stand at the end."""
        self._panel.focus()
        self.call_after_refresh(self._first)

    def _first(self) -> None:
        self.redraw()
        self._panel.scroll_end(animate=False, immediate=True)

    def redraw(self) -> None:
        """Draw what was told; stay at the end if that is where one stood."""
        panel, view = self._panel, self.window.view
        if not panel.is_mounted:
            return
        at_end = panel.scroll_offset.y >= panel.max_scroll_y
        cells = self._header.cells
        self._header.show([header.identity(view, cells), header.state(view, cells)])
        kept = self._kept(panel.cells)
        panel.aside = self._narrowing.said(len(kept), len(view.night.told))
        panel.show(kept)
        self._footer.show([footer_line(self.all_offers(), self.size.width)])
        if at_end:
            panel.scroll_end(animate=False)

    def tell(self, text: str, *, trouble: bool = False) -> None:
        """A message above the footer, until the next key."""
        self._message.show_if_any(message(text, trouble, self.size.width - 4))

    def _kept(self, cells: int) -> list[Line]:
        """The lines that the filter leaves; it looks at all of a line, also where it is cut off."""
        night = self.window.view.night
        drawn = journal_lines(night, cells)
        if not self._narrowing.text:
            return drawn
        whole = journal_lines(night, WHOLE)
        both = zip(drawn, whole, strict=True)
        return [short for short, full in both if self._narrowing.keeps(plain(full))]

    def all_offers(self) -> list[Offer]:
        """What can be done here."""
        copied = "Copy these" if self._narrowing.text else "Copy all"
        every = Offer("escape", "Show all lines", self._show_all, area="view")
        back = [
            Offer(key, "Back", self.dismiss, quiet=key != "escape", area="view")
            for key in ("escape", "q", "l")
        ]
        return [
            *([Offer("enter", "Keep the filter", lambda: None)] if self._narrowing.typing else []),
            *([every] if self._narrowing.on else []),
            *back,
            Offer("/", "Filter", self._filter, area="view"),
            Offer("y", copied, self._copy, area="view"),
            Offer("?", "Help", self._help, area="view"),
            Offer("f1", "Help", self._help, quiet=True, area="view"),
            Offer("ctrl+z", "Detach, the night goes on", self.window.detach, quiet=True),
        ]

    def on_key(self, event: events.Key) -> None:
        """What is typed filters; any other key does what is offered under it."""
        self.tell("")
        if self._narrowing.take(event):
            event.stop()
            event.prevent_default()
            self.redraw()
            return
        offer = find(self.all_offers(), event.key, event.character)
        if offer is not None:
            event.stop()
            offer.do()

    def _filter(self) -> None:
        self._narrowing.begin()
        self.redraw()

    def _show_all(self) -> None:
        self._narrowing.clear()
        self.redraw()

    def _help(self) -> None:
        keys = help_lines(self.all_offers())
        self.window.read("Help: Journal", [*wrap(helps.JOURNAL, HELP_CELLS), line(), *keys])

    def _copy(self) -> None:
        night = self.window.view.night
        whole = [each for each in journal_lines(night, WHOLE) if self._narrowing.keeps(plain(each))]
        self.window.copy_text(text_of(whole))
