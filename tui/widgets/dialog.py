"""What every dialog is: above the night, with the night's kind in its border, and help on F1.

Knows whether it is production or a rehearsal, and nothing else of the night.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeVar, cast

from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen

from tui.words.text import wrap

if TYPE_CHECKING:
    from tui.app import Nightferry

Answer = TypeVar("Answer")
HELP_CELLS = 70


class Dialog(ModalScreen[Answer]):
    """A box with the class ``dialog``; its border says what would be acted on."""

    BINDINGS: ClassVar = [Binding("f1", "help", "Help", priority=True)]
    HELP_WORDS = ""
    """What is asked here, and what becomes of the answer; without words there is no help."""

    def on_mount(self) -> None:
        """Put the word and its band there; where nothing has the focus, bring the cursor along."""
        ground = cast("Nightferry", self.app).ground
        if ground is not None:
            box = self.query_one(".dialog", Vertical)
            box.add_class(f"-{ground}")
            box.border_title = Content(f" {ground.upper()} ")
        self.call_after_refresh(self._stand)

    def _stand(self) -> None:
        if self.focused is None and self.is_current:
            self.app.cursor_position = self.query_one(".dialog", Vertical).content_region.offset

    def action_help(self) -> None:
        """What this dialog is for."""
        if self.HELP_WORDS:
            window = cast("Nightferry", self.app)
            window.read("Help", wrap(self.HELP_WORDS, HELP_CELLS))
