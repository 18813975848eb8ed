"""The frame every screen stands in: header, rail, message, footer; and the keys that work anywhere.

A screen says what it offers; the frame draws the offers and takes the keys. It asks no engine by
itself: that is the app's.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, cast

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import Static

from engine.client import new_id
from profiles.fold import Night, Stretch
from profiles.phases import BY_ID, PHASES
from profiles.requests import Abort, Cancel, Go
from tui import cards
from tui.glyphs import drawn
from tui.keys import Offer, find, footer_line, help_lines
from tui.widgets.lines import Lines
from tui.words import header, rail
from tui.words.stopped import stopped_lines
from tui.words.text import Line, line, message, wrap
from tui.words.view import View

if TYPE_CHECKING:
    from tui.app import Nightferry

WIDE = 100
"""From so many columns on the rail shows titles."""
TOO_SMALL = "Nightferry needs 60×20.\nThe night goes on;\nmake the window larger."
HELP_CELLS = 70
AROUND = ("header", "stopped", "rail", "message", "footer")


class Frame(Screen[None]):
    """A screen of the wizard; what it shows is drawn from the app's view of the night alone."""

    PHASE = "sessions"
    HELP_WORDS = ""
    """What this screen is for, and what its actions will do to which server."""
    INTERRUPTED = True
    """A password or a host key is asked for here as soon as it is wanted."""
    AUTO_FOCUS = "Rows"

    def __init__(self) -> None:
        super().__init__()
        around = [Lines(id=name) for name in AROUND]
        self.panels = {str(panel.id): panel for panel in (*around, *self.body())}
        """Every panel by its name; the body's in the order they stand in."""

    @property
    def window(self) -> Nightferry:
        """The app, by its own type."""
        return cast("Nightferry", self.app)

    @property
    def view(self) -> View:
        """What is to be drawn."""
        return self.window.view

    @property
    def night(self) -> Night:
        """The state of the night."""
        return self.window.view.night

    def compose(self) -> ComposeResult:
        """The frame around what `body` gave."""
        yield self.panels["header"]
        yield self.panels["stopped"]
        with Horizontal(id="middle"):
            yield self.panels["rail"]
            with Vertical(id="body"):
                yield from [panel for name, panel in self.panels.items() if name not in AROUND]
        yield self.panels["message"]
        yield self.panels["footer"]
        yield Static(drawn(TOO_SMALL, Lines.glyphs), id="too-small", markup=False)

    @property
    def stands(self) -> bool:
        """Every panel is there; a tick may fall between a screen's coming and its layout."""
        return all(panel.is_mounted for panel in self.panels.values())

    def body(self) -> Iterator[Lines]:
        """What stands between rail and footer."""
        raise NotImplementedError

    def draw(self) -> None:
        """Fill the body from the view."""
        raise NotImplementedError

    def offers(self) -> list[Offer]:
        """What can be done on this screen now, before what can be done anywhere."""
        return []

    def all_offers(self) -> list[Offer]:
        """What can be done now; while the stretch is armed its keys come first."""
        cancel = Offer("x", "Cancel", self.cancel)
        running = [cancel] if self.night.running() else []
        return [*self._armed_offers(), *running, *self.offers(), *self._anywhere()]

    def redraw(self) -> None:
        """Draw everything that has changed since the last time."""
        if not self.stands:
            return
        head = self.panels["header"]
        head.show([header.identity(self.view, head.cells), header.state(self.view, head.cells)])
        self._show_panel("stopped", stopped_lines(self.night, self.size.width - 4))
        self.panels["rail"].show(rail.rail(self.view, self.PHASE, self.size.width < WIDE))
        self.draw()
        self.panels["footer"].show([footer_line(self.all_offers(), self.size.width)])

    def tell(self, text: str, *, trouble: bool = False) -> None:
        """A message above the footer, until the next key."""
        self._show_panel("message", message(text, trouble, self.size.width - 4))

    def on_mount(self) -> None:
        """Draw once the layout has given every panel its size."""
        self.call_after_refresh(self._first_draw)
        self.entered()

    def _first_draw(self) -> None:
        if self.stands:
            self.redraw()
        else:
            self.call_after_refresh(self._first_draw)

    def entered(self) -> None:
        """This phase is come to: by a key, or because the night stands there."""

    def on_resize(self, event: events.Resize) -> None:
        """Another size is another picture."""
        self.panels["rail"].border_title = "" if event.size.width < WIDE else "The night"
        self.call_after_refresh(self.redraw)

    def on_key(self, event: events.Key) -> None:
        """A key that nothing below took: do what is offered under it."""
        self.tell("")
        offer = find(self.all_offers(), event.key, event.character)
        if offer is not None:
            event.stop()
            event.prevent_default()
            self.take(offer)

    def take(self, offer: Offer) -> None:
        """Do what was offered, or say why it cannot be done now."""
        if offer.why_not:
            self.tell(f"{offer.does}: {offer.why_not}", trouble=True)
        else:
            offer.do()
        self.redraw()

    def _show_panel(self, name: str, lines: list[Line]) -> None:
        self.panels[name].show_if_any(lines)

    def _armed_offers(self) -> list[Offer]:
        stretch = self.night.stretch
        if stretch is None or not self.night.armed:
            return []
        turned = "the old server is closed for good; it finishes" if stretch.turned else ""
        by_hand = stretch.armed.by_hand
        late = _why_not_go(stretch)
        go = "Next step" if by_hand else "Go"
        stop = "Disarm" if stretch.state in ("arming", "armed") else "Abort"
        going = Offer("g", go, self.go, why_not=late, quiet=bool(late), area="cutover")
        by_key = late or _no_hand(by_hand)
        return [
            going,
            Offer("G", "One key a step", self.go, by_key, quiet=True, area="cutover"),
            Offer("a", stop, self.abort, why_not=turned, area="cutover"),
        ]

    def _anywhere(self) -> list[Offer]:
        return [
            *self._when_asked(),
            *cards.offers(self.window, self.PHASE),
            Offer("l", "Journal", self.window.show_journal, area="view"),
            Offer("?", "Help", self.show_help, area="view"),
            Offer("f1", "Help", self.show_help, quiet=True, area="view"),
            Offer("q", "Quit", self.window.leave, area="night"),
            Offer(
                "ctrl+z", "Detach, the night goes on", self.window.detach, quiet=True, area="night"
            ),
            *self._ways(),
        ]

    def _when_asked(self) -> list[Offer]:
        """What only sometimes makes sense: a password to type, a step to cancel."""
        offers = []
        if self.night.secrets_wanted:
            offers.append(Offer("k", "Type the password", self.window.ask_secrets, area="night"))
        if self.night.keys_wanted:
            offers.append(Offer("K", "Compare the key", self.window.compare_keys, area="night"))
        return [*offers, Offer("x", "Cancel", self.cancel, "no step is running", quiet=True)]

    def _ways(self) -> list[Offer]:
        """To the phase before and after, and to each by its number."""
        at = BY_ID[self.PHASE].number
        first, last = at == 1, at == len(PHASES)
        ways = [
            Offer(
                "[", "Phase before", partial(self.go_by, -1), _end("first", first), True, "go to"
            ),
            Offer("]", "Next phase", partial(self.go_by, 1), _end("last", last), True, "go to"),
        ]
        for phase in PHASES:
            key = str(phase.number % 10) if phase.number <= 10 else f"{phase.number} by ]"
            to = partial(self.window.go_to, phase.id)
            ways.append(Offer(key, phase.title, to, quiet=True, area="go to"))
        return ways

    def go_by(self, by: int) -> None:
        """So many phases on, or back."""
        self.window.go_to(PHASES[BY_ID[self.PHASE].number - 1 + by].id)

    def show_help(self) -> None:
        """What this screen is for, and every key with what it does now."""
        title = BY_ID[self.PHASE].title
        lines = [*wrap(self.HELP_WORDS, HELP_CELLS), line()]
        if said := self.focus_words():
            lines += [*wrap(said, HELP_CELLS), line()]
        self.window.read(f"Help: {title}", [*lines, *help_lines(self.all_offers())])

    def focus_words(self) -> str:
        """What has the focus, and what can be done with it."""
        return ""

    def go(self) -> None:
        """The armed stretch, or its next step."""
        if self.night.stretch is not None:
            self.window.ask(Go(id=new_id(), attempt=self.night.stretch.attempt))

    def abort(self) -> None:
        """Before the turn: resume on the old server."""
        self.window.ask(Abort(id=new_id()))

    def cancel(self) -> None:
        """Stop the step that runs now, on its server too."""
        self.window.ask(Cancel(id=new_id()))


def _end(which: str, here: bool) -> str:
    return f"this is the {which}" if here else ""


def _why_not_go(stretch: Stretch) -> str:
    if stretch.state == "arming":
        return "it is still being armed"
    return "" if stretch.state == "armed" or stretch.armed.by_hand else "it is going by itself"


def _no_hand(by_hand: bool) -> str:
    return "" if by_hand else "armed for one key; a disarms, then G"
