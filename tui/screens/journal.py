"""The journal as lines: everything that happened, the newest last."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual import events
from textual.app import ComposeResult
from textual.screen import Screen

from tui.widgets.lines import Lines
from tui.words.journal import journal_lines
from tui.words.text import Span, line

if TYPE_CHECKING:
    from tui.app import Nightferry

KEYS = line(
    *(Span(" esc", "strong"), " Back   "),
    *(Span("↑ ↓ home end", "strong"), " Scroll   "),
    *(Span("y", "strong"), " Copy all"),
)


class JournalScreen(Screen[None]):
    """Follows the end of the journal until it is scrolled up."""

    CSS_PATH = "journal.tcss"

    def __init__(self) -> None:
        super().__init__()
        self._panel = Lines(id="journal", can_focus=True)
        self._panel.border_title = "Journal"
        self._footer = Lines(id="footer")

    def compose(self) -> ComposeResult:
        """One panel and a footer."""
        yield self._panel
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
        panel = self._panel
        if not panel.is_mounted:
            return
        at_end = panel.scroll_offset.y >= panel.max_scroll_y
        panel.show(journal_lines(cast("Nightferry", self.app).view.night, panel.cells))
        self._footer.show([KEYS])
        if at_end:
            panel.scroll_end(animate=False)

    def on_key(self, event: events.Key) -> None:
        """Leave, or copy everything."""
        window = cast("Nightferry", self.app)
        if event.key in ("escape", "q", "l"):
            event.stop()
            self.dismiss()
        elif event.key == "y":
            event.stop()
            text = "\n".join(
                "".join(span.text for span in each)
                for each in journal_lines(window.view.night, 10_000)
            )
            window.copy_text(text)
