"""The form in which a profile is entered; each server is tried as soon as it is whole."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import cast, get_args

from engine.client import new_id
from profiles.errors import ProfileError
from profiles.events import Side
from profiles.requests import ChangeProfile, TryServer
from profiles.shape import Table
from tui import saving
from tui.frame import Frame
from tui.keys import Offer
from tui.widgets.dialogs import Choice, Choose
from tui.widgets.form import Form
from tui.widgets.lines import Lines
from tui.words import form as words
from tui.words.fields import entered, text_of, with_endpoint, without_endpoint
from tui.words.figures import many
from tui.words.form import Filled, Try
from tui.words.text import Line, Span, line, wrap

PAGE_CELLS = 70


class ProfileScreen(Frame):
    """Fields under a cursor; below them what the one under it is for, and what is against it."""

    PHASE = "servers"
    CSS_PATH = "profile.tcss"
    HELP_WORDS = (
        "Says which servers the night moves between, and how clients reach them. ↑ ↓ tab and enter "
        "go from field to field, ← → choose. A server is tried as soon as all of it is entered, "
        "and again when it was changed: its host, then a session that only looks. Nothing is "
        "changed on any server. ctrl+s says everything that is wrong at once, or saves."
    )

    INTERRUPTED = False
    """What is being typed would go on into the question."""

    def __init__(self, raw: Table) -> None:
        super().__init__()
        self._opened = self._raw = words.draft_of(raw)
        self._asked = False
        self._tries: dict[Side, Try] = {}
        self._engine: int | None = None

    def body(self) -> Iterator[Lines]:
        """The fields and the detail."""
        form = Form(id="rows")
        form.border_title = "The profile"
        yield form
        yield Lines(id="detail")

    @property
    def form(self) -> Form:
        """The list of fields."""
        return cast(Form, self.panels["rows"])

    @property
    def filled(self) -> Filled:
        """All that the form is drawn from."""
        form, night = self.form, self.night
        typed = (form.key, form.text, form.caret)
        return Filled(self._raw, *typed, self._asked, self._tries, night.tried)

    def redraw(self) -> None:
        """Draw; an engine that was started again knows nothing of what the one before tried."""
        if self.night.engine_pid != self._engine:
            self._engine = self.night.engine_pid
            self._tries.clear()
            self._try_what_changed()
        super().redraw()

    def draw(self) -> None:
        """Fill the fields and the detail."""
        form, fields = self.form, words.fields_of(self._raw)
        texts = {each.key: (text_of(self._raw, each), each.codec.options) for each in fields}
        form.show_fields(words.rows(self.filled, form.row_cells), texts)
        panel = self.panels["detail"]
        lines = words.detail(self.filled, max(self.size.width - 12, 20))
        panel.set_class(bool(lines), "-shown")
        panel.show(lines)

    # What was typed

    def on_form_typed(self, message: Form.Typed) -> None:
        """The profile has it at once, right or wrong."""
        for each in words.fields_of(self._raw):
            if each.key == message.key:
                self._raw = entered(self._raw, each, message.text)
        self.tell("")
        self.redraw()

    def on_form_pasted(self, message: Form.Pasted) -> None:
        """Say what was not taken."""
        lines = many(message.left_out, "further line")
        self.tell(f"Only the first line was taken; {lines} left out.", trouble=True)

    def on_rows_moved(self) -> None:
        """A field was left: what it belongs to may be whole now."""
        self.panels["detail"].scroll_home(animate=False)
        self._try_what_changed()
        self.redraw()

    def _try_what_changed(self, *, again: bool = False) -> None:
        if self.view.watch or self.night.why_fixed():
            return
        for side in get_args(Side):
            wanted = words.wanting(self._raw, side)
            if wanted is not None and (again or wanted != self._tries.get(side)):
                self._tries[side] = wanted
                self.window.ask(TryServer(id=new_id(), side=side, **wanted._asdict()))

    # What can be done

    def all_offers(self) -> list[Offer]:
        """Letters are typed here: what can be done is done by other keys."""
        fixed = "this window only watches" if self.view.watch else self.night.why_fixed()
        nothing = "" if self._tries else "no server is whole yet"
        place = self._endpoint
        return [
            Offer("ctrl+s", "Save", self.save, fixed, area="profile"),
            *self._missing(),
            Offer("escape", "Leave", self.leave, area="profile"),
            Offer("f1", "Help", self.show_help, area="view"),
            Offer("ctrl+r", "Read all", self.read, self._why_nothing(), area="profile"),
            Offer("ctrl+t", "Try again", self.try_again, fixed or nothing, area="profile"),
            Offer("ctrl+n", "Add endpoint", self.add_endpoint, area="profile"),
            Offer(
                "ctrl+d",
                "Remove it",
                self.remove_endpoint,
                "" if place is not None else "no endpoint is focused",
                quiet=place is None,
                area="profile",
            ),
            Offer("ctrl+z", "Detach", self.window.detach, quiet=True, area="night"),
        ]

    def _missing(self) -> list[Offer]:
        """What a server is not let in without: a key to compare, or a password to type."""
        if self.night.keys_wanted:
            return [Offer("f2", "Compare the key", self.window.compare_keys, area="night")]
        if self.night.secrets_wanted:
            return [Offer("f2", "Type the password", self.window.ask_secrets, area="night")]
        return []

    @property
    def _endpoint(self) -> int | None:
        """Which of the endpoints the cursor stands in."""
        part, _, rest = self.form.key.partition(".")
        return int(rest.partition(".")[0]) if part == "endpoints" else None

    def _why_nothing(self) -> str:
        found = words.everything_found(self.filled, PAGE_CELLS)
        return "" if found else "nothing was found of a server here"

    def read(self) -> None:
        """Everything that was found of the server the cursor is at, on a page of its own."""
        self.window.read("What was found", words.everything_found(self.filled, PAGE_CELLS))

    def try_again(self) -> None:
        """Both servers, whether they were changed or not."""
        self._try_what_changed(again=True)

    def add_endpoint(self) -> None:
        """One more endpoint, below the others."""
        self._raw = with_endpoint(self._raw)
        self.redraw()
        self.form.go_to(f"endpoints.{len(self._raw['endpoints']) - 1}")

    def remove_endpoint(self) -> None:
        """The endpoint in which the cursor stands."""
        if self._endpoint is not None:
            self._raw = without_endpoint(self._raw, self._endpoint)
            self.redraw()

    def leave(self) -> None:
        """Back to the night; asks when something was typed that is not saved."""
        if self._raw == self._opened:
            self.dismiss()
        else:
            self.window.begin(self._leave())

    async def _leave(self) -> None:
        said = ["What was typed here is not saved."]
        choices = [Choice("s", "save it", "save"), Choice("d", "drop it, and leave", "drop")]
        chosen = await self.window.push_screen_wait(Choose("Leave the form", said, choices))
        if chosen == "drop":
            self.dismiss()
        elif chosen == "save" and self._whole():
            await self._save()

    def save(self) -> None:
        """Say everything that is wrong, or have the profile written."""
        if self._whole():
            self.window.begin(self._save())

    def _whole(self) -> bool:
        """Whether it is a profile; if not, every error stands beside its field from now on."""
        self._asked = True
        wrong = words.all_wrong(self._raw)
        self.redraw()
        if wrong:
            first = [each.key for each in words.fields_of(self._raw) if each.key in wrong]
            self.form.go_to(next(iter(first), ""))
            said = f"{many(len(wrong), 'field')} to mend, each says why: nothing was saved."
            self.tell(said, trouble=True)
        return not wrong

    async def _save(self) -> None:
        try:
            path = await saving.saved(self.window, self._raw)
        except ProfileError as error:
            self.tell(str(error), trouble=True)
            return
        if path is None:
            return
        if self._raw != self._opened or self.night.draft:
            self.window.ask(ChangeProfile(id=new_id(), profile=self._raw))
        kept = [path, *([self.window.folder / "profile.toml"] if self.window.folder else [])]
        window = self.window
        self.dismiss()
        window.call_after_refresh(partial(window.read, "The profile is saved", _where(kept)))


def _where(kept: list[Path]) -> list[Line]:
    """Where it is; y copies the paths."""
    lines = [line(Span(str(path), "strong")) for path in kept]
    said = "The second one is the night's own. From now on the servers are looked at as a whole."
    return [*lines, line(), *wrap(said, PAGE_CELLS)]
