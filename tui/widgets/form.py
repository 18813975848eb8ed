"""A list of fields under a cursor, of which the one under it is typed in or chosen.

Knows keys, a text and its caret; what the text means is the screen's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from textual import events
from textual.geometry import Offset
from textual.message import Message

from tui.widgets.rows import GUTTER, Rows
from tui.words.form import LABEL_CELLS
from tui.words.rows import Row

Text = tuple[str, Sequence[str]]
"""A field's text, and what it may be chosen among."""

WAYS = {"up": -1, "shift+tab": -1, "down": 1, "tab": 1, "enter": 1}
"""Keys that go to another field."""


class Form(Rows):
    """Every printable key is typed; where there is a choice it is chosen instead."""

    class Typed(Message):
        """The text of the field is another one, or its caret stands elsewhere."""

        def __init__(self, key: str, text: str) -> None:
            super().__init__()
            self.key = key
            self.text = text

    class Pasted(Message):
        """More than one line was pasted, of which only the first was taken."""

        def __init__(self, left_out: int) -> None:
            super().__init__()
            self.left_out = left_out

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.moves = WAYS
        self.texts: Mapping[str, Text] = {}
        """What stands in each field, by the key of its row."""
        self.text = ""
        self.caret = 0
        self.options: Sequence[str] = ()
        self._edited = ""

    def show_fields(self, rows: Sequence[Row], texts: Mapping[str, Text]) -> None:
        """Draw these; what is being typed stays as it is while its row is there."""
        self.texts = texts
        self.show_rows(rows)

    def _draw(self) -> None:
        super()._draw()
        if self.key != self._edited and self.key in self.texts:
            self._edited = self.key
            self.text, self.options = self.texts[self.key]
            self.caret = len(self.text)
            self.post_message(self.Moved())

    def on_key(self, event: events.Key) -> None:
        """Take what belongs to the field; moving is the list's, everything else the screen's."""
        if event.key in self.moves or event.key in ("pageup", "pagedown"):
            return
        mine = self._choose(event) if self.options else self._edit(event)
        if mine:
            self.post_message(self.Typed(self.key, self.text))
        if mine or event.is_printable:
            event.stop()
        event.prevent_default()

    def on_paste(self, event: events.Paste) -> None:
        """One line goes into the field."""
        event.stop()
        lines = [each.strip() for each in event.text.strip().splitlines()] or [""]
        if not self.options:
            self._insert(lines[0])
            self.post_message(self.Typed(self.key, self.text))
        if left_out := sum(bool(each) for each in lines[1:]):
            self.post_message(self.Pasted(left_out))

    def stand(self) -> None:
        """The terminal's cursor stands in the text, for screen readers."""
        super().stand()
        if self.has_focus and self.app.screen is self.screen and not self.options:
            at = min(GUTTER + LABEL_CELLS + 1 + self.caret, max(self.cells - 1, 0))
            self.app.cursor_position += Offset(at, 0)

    def _choose(self, event: events.Key) -> bool:
        by = {"left": -1, "right": 1, "space": 1}.get(event.key)
        if by is None:
            return False
        at = self.options.index(self.text) if self.text in self.options else -by
        self.text = self.options[(at + by) % len(self.options)]
        return True

    def _edit(self, event: events.Key) -> bool:
        match event.key:
            case "left":
                self.caret = max(self.caret - 1, 0)
            case "right":
                self.caret = min(self.caret + 1, len(self.text))
            case "home" | "ctrl+a":
                self.caret = 0
            case "end" | "ctrl+e":
                self.caret = len(self.text)
            case "backspace":
                self._cut(max(self.caret - 1, 0), self.caret)
            case "delete":
                self._cut(self.caret, self.caret + 1)
            case "ctrl+u":
                self._cut(0, self.caret)
            case _ if event.is_printable and event.character:
                self._insert(event.character)
            case _:
                return False
        return True

    def _cut(self, first: int, end: int) -> None:
        self.text = self.text[:first] + self.text[end:]
        self.caret = first

    def _insert(self, text: str) -> None:
        self.text = self.text[: self.caret] + text + self.text[self.caret :]
        self.caret += len(text)
