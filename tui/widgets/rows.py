"""A list with a cursor that stays on its row while the rows around it change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.style import Style
from textual import events
from textual.message import Message

from tui.widgets.lines import Lines
from tui.widgets.narrowing import Narrowing
from tui.words.marks import CURSOR
from tui.words.rows import Row, narrowed
from tui.words.text import Span, clip, line

MOVES = {"up": -1, "k": -1, "down": 1, "j": 1}
OFFERED = "/ filters"
GUTTER = 2
"""Cells at the left for the cursor's mark."""


class Rows(Lines):
    """Rows under a cursor; headings are passed over."""

    class Moved(Message):
        """The cursor stands on another row."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, can_focus=True)
        self.rows: list[Row] = []
        self.narrowing = Narrowing()
        self.offered = OFFERED
        self.moves: Mapping[str, int] = MOVES
        """Keys that move by so many rows."""
        self.key = ""
        self._all: list[Row] = []
        """With those that the filter leaves out."""
        self._at = 0
        self._chosen = False
        """Somebody put the cursor where it is; else it stays on the first row."""

    @property
    def row_cells(self) -> int:
        """How many cells a row may take beside the cursor's mark."""
        return max(self.cells - GUTTER, 10)

    @property
    def current(self) -> Row | None:
        """The row under the cursor."""
        if self.rows and self.rows[self._at].selectable:
            return self.rows[self._at]
        return None

    def show_rows(self, rows: Sequence[Row]) -> None:
        """Draw these rows; the cursor stays on its row, or the nearest one there is now."""
        self._all = list(rows)
        self.rows = narrowed(self._all, self.narrowing.keeps)
        kept, total = (sum(row.selectable for row in each) for each in (self.rows, self._all))
        self.aside = self.narrowing.said(kept, total)
        keys = [row.key for row in self.rows]
        stays = self._chosen and self.key in keys
        self._at = keys.index(self.key) if stays else self._nearest(self._at if self._chosen else 0)
        self._draw()

    def go_to(self, key: str) -> None:
        """Put the cursor on the row of that key, where there is one."""
        for at, row in enumerate(self.rows):
            if row.key == key and row.selectable:
                self._stand(at)

    def begin_narrowing(self) -> None:
        """What is typed from now on leaves out the rows that do not hold it."""
        self.focus()
        self.narrowing.begin()
        self._narrowed()

    def end_narrowing(self) -> None:
        """Every row again, the cursor where it is."""
        self.narrowing.clear()
        self._narrowed()

    def on_blur(self) -> None:
        """Keys go elsewhere: nothing is typed here any more."""
        if self.narrowing.typing:
            self.narrowing.typing = False
            self._narrowed()

    def _narrowed(self) -> None:
        self._chosen = True  # it stays where it is when all the others come back
        self.show_rows(self._all)
        self.post_message(self.Moved())

    def on_key(self, event: events.Key) -> None:
        """Move by arrows, j and k, pages, and to either end; what is typed after ``/`` filters."""
        if self.narrowing.take(event):
            event.stop()
            event.prevent_default()
            self._narrowed()
            return
        page = max(self.size.height - 1, 1)
        pages = {"pageup": -page, "pagedown": page, "home": -len(self.rows), "end": len(self.rows)}
        by = self.moves.get(event.key) or pages.get(event.key)
        if by is None:
            return
        event.stop()
        event.prevent_default()
        self._step(by)

    def on_resize(self, event: events.Resize) -> None:
        """Another height shows other rows."""
        self._keep_in_view()

    def on_click(self, event: events.Click) -> None:
        """The mouse is a bonus."""
        at = event.y - self.gutter.top + self.scroll_offset.y
        if 0 <= at < len(self.rows) and self.rows[at].selectable:
            self._stand(at)

    @property
    def focused_line(self) -> int:
        """The cursor's row."""
        return self._at

    def line_base(self, at: int) -> Style:
        """The cursor's row has a style of its own beside its mark."""
        if at == self._at and self.current is not None:
            return self.get_component_rich_style("lines--cursor")
        return self.rich_style

    def _step(self, by: int) -> None:
        way = 1 if by > 0 else -1
        wanted = min(max(self._at + by, 0), len(self.rows) - 1)
        here = wanted
        while 0 <= here < len(self.rows) and not self.rows[here].selectable:
            here += way
        if 0 <= here < len(self.rows):
            self._stand(here)
        elif self.rows:
            self._stand(self._nearest(wanted))

    def _stand(self, at: int) -> None:
        self._at, self._chosen = at, True
        moved, self.key = self.rows[at].key != self.key, self.rows[at].key
        self._draw()
        if moved:
            self.post_message(self.Moved())

    def _draw(self) -> None:
        if self.rows and self.rows[self._at].selectable:
            self.key = self.rows[self._at].key
        cells = self.row_cells
        self.show(
            [
                line(Span(f"{CURSOR} " if self._is_here(at) else "  ", "strong"))
                + clip(row.line, cells)
                for at, row in enumerate(self.rows)
            ]
        )
        self._keep_in_view()

    def _is_here(self, at: int) -> bool:
        return at == self._at and self.rows[at].selectable

    def _keep_in_view(self) -> None:
        """The cursor's row in the middle, or as near to it as the ends of the list allow.

        Where one came from must not matter: the same rows and cursor are the same picture.
        """
        height = self.scrollable_content_region.height
        top = min(max(self._at - height // 2, 0), max(len(self.rows) - height, 0))
        if top != self.scroll_offset.y:
            self.scroll_to(y=top, animate=False, force=True, immediate=True)
        self.stand()

    def _nearest(self, at: int) -> int:
        """The selectable row nearest to a place, the earlier one first."""
        places = [here for here, row in enumerate(self.rows) if row.selectable]
        return min(places, key=lambda here: abs(here - at), default=0)
