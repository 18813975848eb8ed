"""The dialogs: type something, choose one of a few, read a page. Each gives its answer back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input, Static

from tui.glyphs import drawn
from tui.widgets.dialog import Dialog
from tui.widgets.lines import Lines
from tui.words.text import Line, Span, line, wrap

TEXT_CELLS = 66
KEYS = "enter take it   esc leave it   F1 help"


class Ask(Dialog[str | None]):
    """Ask for a line of text; ``must_be`` is what has to be typed before it is taken.

    ``given`` stands there already, to be changed or taken.
    """

    HELP_WORDS = (
        "Something has to be typed. enter takes it, esc leaves everything as it is. Where a "
        "server's name is asked for, only that name is taken: what follows acts on that server, "
        "and it cannot be begun by a slip of the hand. A password is held in memory alone."
    )

    def __init__(
        self,
        title: str,
        said: Sequence[str],
        *,
        must_be: str = "",
        secret: bool = False,
        placeholder: str = "",
        given: str = "",
    ) -> None:
        super().__init__()
        self._given = given
        self._title = title
        self._said = said
        self._must_be = must_be
        self._secret = secret
        self._placeholder = placeholder

    def compose(self) -> ComposeResult:
        """Title and text, the input, what is wrong with it, and the two keys."""
        with Vertical(classes="dialog"):
            yield Static(drawn(self._title, Lines.glyphs), classes="dialog-title", markup=False)
            yield Static(_paragraphs(self._said), markup=False, classes="dialog-text")
            field = Input(self._given, placeholder=self._placeholder, password=self._secret)
            field.cursor_blink = False
            yield field
            yield Static("", id="wrong", markup=False)
            yield Static(KEYS, classes="dialog-keys", markup=False)

    def on_mount(self) -> None:
        """Type at once."""
        self.query_one(Input).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take what was typed, unless it is not what had to be typed."""
        event.stop()
        typed = event.value if self._secret else event.value.strip()
        if not typed:
            self._say("Nothing was typed.")
        elif self._must_be and typed != self._must_be:
            self._say(f"That is not {self._must_be}. Nothing was done.")
        else:
            self.dismiss(typed)

    def on_key(self, event: events.Key) -> None:
        """Leave without an answer."""
        if event.key == "escape":
            event.stop()
            self.dismiss(None)

    def _say(self, text: str) -> None:
        self.query_one("#wrong", Static).update(drawn(text, Lines.glyphs))


class Choice(NamedTuple):
    """One way out of a `Choose`: its key, what it does, and the value it gives back."""

    key: str
    does: str
    value: str


class Choose(Dialog[str | None]):
    """One key among a few, each with what it does; esc is always the way back."""

    HELP_WORDS = "One of the keys that are listed does what stands beside it; esc goes back."

    def __init__(self, title: str, said: Sequence[str], choices: Sequence[Choice]) -> None:
        super().__init__()
        self._title = title
        self._said = said
        self._choices = choices

    def compose(self) -> ComposeResult:
        """Title and text, then a line a choice."""
        offered = [f"  {choice.key}    {choice.does}" for choice in self._choices]
        with Vertical(classes="dialog"):
            yield Static(drawn(self._title, Lines.glyphs), classes="dialog-title", markup=False)
            yield Static(_paragraphs(self._said), markup=False, classes="dialog-text")
            keys = [*offered, "  esc  back to the night"]
            yield Static(drawn("\n".join(keys), Lines.glyphs), markup=False)

    def on_key(self, event: events.Key) -> None:
        """Take the choice of that key; esc goes back."""
        event.stop()
        if event.key == "escape":
            self.dismiss(None)
        for choice in self._choices:
            if event.key == choice.key:
                self.dismiss(choice.value)


class Page(Dialog[str | None]):
    """A page to read and scroll: help, an error. ``y`` gives back that it is to be copied.

    With ``take``, which says what enter does, enter gives that back.
    """

    def __init__(self, title: str, lines: Sequence[Line], *, take: str = "") -> None:
        super().__init__()
        self._title = title
        self._lines = lines
        self._take = take

    def compose(self) -> ComposeResult:
        """The page in a scrolled panel, with its title in the border."""
        panel = Lines(id="page", can_focus=True)
        panel.border_title = drawn(self._title, Lines.glyphs)
        with Vertical(classes="dialog wide"):
            yield panel
            keys = f"enter {self._take}   esc back" if self._take else "esc back   y copy"
            yield Static(drawn(keys, Lines.glyphs), classes="dialog-keys", markup=False)

    def on_mount(self) -> None:
        """The page is drawn once it has a size."""
        panel = self.query_one("#page", Lines)
        panel.focus()
        panel.show(self._lines)

    def on_key(self, event: events.Key) -> None:
        """Leave by esc, q or enter."""
        if event.key in ("escape", "q", "enter", "y"):
            event.stop()
            taken = {"y": "copy", "enter": self._take or None}
            self.dismiss(taken.get(event.key))


def error_lines(text: str) -> list[Line]:
    """An error's words, broken to the width of a dialog."""
    return [line(Span("✗ ", "stop"), Span("This did not work.", "strong")), *wrap(text, TEXT_CELLS)]


def _paragraphs(said: Sequence[str]) -> str:
    return drawn("\n".join(said), Lines.glyphs)
