"""The dialog with a rehearsal's road in it: a field a knob, each with its unit."""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Static

from rehearsal.knobs import KNOBS, Knob, turned, values
from rehearsal.wire import Conditions
from tui.glyphs import drawn
from tui.widgets.dialog import Dialog
from tui.widgets.lines import Lines

SAID = "What the wire does to each packet between the old and the new server, from now on."
KEYS = "enter apply it   ↑ ↓ another field   esc leave it   F1 help"


class Knobs(Dialog[dict[str, str] | None]):
    """Gives back what is typed in every field, by the knobs' names, once all of it can be."""

    HELP_WORDS = (
        "The rehearsal's road between the two servers, as bad as one wants to practise on: each "
        "field is one property of it, with its unit. enter applies all of them at once, to what "
        "is on its way from then on; esc leaves the road as it is."
    )

    def __init__(self, now: Conditions) -> None:
        super().__init__()
        self._now = now

    def compose(self) -> ComposeResult:
        """Title and text, a line for each knob, and the keys."""
        with Vertical(classes="dialog"):
            yield Static("The rehearsal's road", classes="dialog-title", markup=False)
            yield Static(SAID, classes="dialog-text", markup=False)
            with Vertical(id="knobs"):
                for knob in KNOBS:
                    yield from self._line(knob)
            yield Static(drawn(KEYS, Lines.glyphs), classes="dialog-keys", markup=False)

    def _line(self, knob: Knob) -> ComposeResult:
        with Horizontal(classes="knob"):
            yield Static(knob.title, classes="knob-title", markup=False)
            field = Input(f"{values(self._now)[knob.name]:g}", id=knob.name, select_on_focus=True)
            field.cursor_blink = False
            yield field
            yield Static(knob.unit, classes="knob-unit", markup=False)
            yield Static("", id=f"{knob.name}-wrong", classes="knob-wrong", markup=False)

    def on_mount(self) -> None:
        """Type at once."""
        self.query(Input).first().focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Give it back, unless something is wrong: then that is said beside its field."""
        event.stop()
        typed = {str(field.id): field.value for field in self.query(Input)}
        _, wrong = turned(self._now, typed)
        for knob in KNOBS:
            said = f"✗ {wrong[knob.name]}" if knob.name in wrong else ""
            self.query_one(f"#{knob.name}-wrong", Static).update(drawn(said, Lines.glyphs))
        if not wrong:
            self.dismiss(typed)
            return
        self.query_one(f"#{next(iter(wrong))}", Input).focus()

    def on_key(self, event: events.Key) -> None:
        """Another field, or leave without an answer."""
        match event.key:
            case "escape":
                self.dismiss(None)
            case "up":
                self.focus_previous()
            case "down":
                self.focus_next()
            case _:
                return
        event.stop()
