"""The card of a phase: a page to read, and a key for each fault that can be made or taken back."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from tui.glyphs import drawn
from tui.widgets.dialog import Dialog
from tui.widgets.dialogs import Choice
from tui.widgets.lines import Lines
from tui.words.text import Line


class Card(Dialog[str | None]):
    """Gives back the value of the choice that was taken; None leaves everything as it is."""

    HELP_WORDS = (
        "What this phase teaches, and faults to practise on. The key of a fault makes it happen on "
        "the rehearsal's own servers, or takes it back while it is at work; everything of it is "
        "gone with the rehearsal. esc goes back, ↑ ↓ scroll."
    )

    def __init__(self, title: str, lines: Sequence[Line], choices: Sequence[Choice]) -> None:
        super().__init__()
        self._title = title
        self._lines = lines
        self._choices = choices

    def compose(self) -> ComposeResult:
        """The card in a scrolled panel, and a line for each key below it."""
        panel = Lines(id="page", can_focus=True)
        panel.border_title = drawn(self._title, Lines.glyphs)
        with Vertical(classes="dialog wide"):
            yield panel
            keys = [f"  {choice.key}    {choice.does}" for choice in self._choices]
            listed = "\n".join([*keys, "  esc  back to the night"])
            yield Static(drawn(listed, Lines.glyphs), classes="dialog-choices", markup=False)

    def on_mount(self) -> None:
        """The card is drawn once it has a size."""
        panel = self.query_one("#page", Lines)
        panel.focus()
        panel.show(self._lines)

    def on_key(self, event: events.Key) -> None:
        """Take the choice of that key; esc, q and enter go back."""
        taken = [choice.value for choice in self._choices if choice.key == event.key]
        if taken or event.key in ("escape", "q", "enter"):
            event.stop()
            self.dismiss(taken[0] if taken else None)
