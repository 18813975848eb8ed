"""A panel of toned lines that repaints only the lines that changed. Knows no night."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.content import Content
from textual.geometry import Offset, Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.glyphs import drawn
from tui.words.text import TONES, Line, changed_runs


class Lines(ScrollView):
    """Lines of toned text, scrolled where they do not fit; the border says what is in view."""

    COMPONENT_CLASSES = {f"lines--{tone}" for tone in TONES} | {"lines--cursor"}
    glyphs: Mapping[int, str] = {}
    """The translation for this terminal, set once by the app before anything is drawn."""

    def __init__(self, *, id: str, can_focus: bool = False) -> None:
        super().__init__(id=id, can_focus=can_focus)
        self.aside = ""
        """Said in the border before what is in view: a filter."""
        self.offered = ""
        """Said in its place where some lines are out of sight."""
        self._lines: list[Line] = []
        self._hint = ""

    @property
    def cells(self) -> int:
        """How many cells a line may take."""
        return max(self.scrollable_content_region.width, 1)

    def show(self, lines: Sequence[Line]) -> None:
        """Draw these lines; only those that differ from the ones drawn now are painted again."""
        before, self._lines = self._lines, list(lines)
        if len(before) != len(self._lines):
            self.virtual_size = Size(0, len(self._lines))
            self.refresh()
        else:
            for at, (old, new) in enumerate(zip(before, self._lines, strict=True)):
                if old != new:
                    self._refresh_runs(at, changed_runs(old, new))
        self.say_what_is_in_view()
        self.stand()

    def show_if_any(self, lines: Sequence[Line]) -> None:
        """Stand there, as high as the lines are, only while there are lines."""
        self.set_class(bool(lines), "-shown")
        self.styles.height = len(lines) + self.gutter.height if lines else 0
        self.show(lines)

    @property
    def focused_line(self) -> int:
        """The line on which whoever cannot see the screen is to be; here the first in view."""
        return self.scroll_offset.y

    def stand(self) -> None:
        """Where this has the focus the terminal's cursor stands on its line, for screen readers."""
        if self.has_focus and self.app.screen is self.screen:
            below = Offset(0, self.focused_line - self.scroll_offset.y)
            self.app.cursor_position = self.scrollable_content_region.offset + below

    def on_focus(self) -> None:
        """The terminal's cursor comes along."""
        self.stand()

    def _refresh_runs(self, at: int, runs: Iterable[tuple[int, int]]) -> None:
        """Paint these cells of a line, and no others."""
        y = at - self.scroll_offset.y
        self.refresh(*[Region(first, y, end - first, 1) for first, end in runs])

    def say_what_is_in_view(self) -> None:
        """A hint in the border where some lines are out of sight."""
        shown = self.scrollable_content_region.height
        first = self.scroll_offset.y + 1
        total = len(self._lines)
        hint = ""
        if 0 < shown < total:
            below = " ↓" if first + shown - 1 < total else ""
            above = "↑ " if first > 1 else ""
            hint = f"{above}{first}–{min(first + shown - 1, total)} of {total}{below}"
        offered = self.offered if hint else ""
        said = "   ".join(part for part in (self.aside or offered, hint) if part)
        if said != self._hint:
            self._hint = said
            # What is typed into a filter is no markup.
            self.border_subtitle = Content(drawn(said, self.glyphs))

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Keep the hint true while scrolling."""
        super().watch_scroll_y(old_value, new_value)
        self.say_what_is_in_view()
        self.stand()

    def on_resize(self, event: events.Resize) -> None:
        """Another size shows other lines."""
        self.say_what_is_in_view()
        self.stand()

    def line_base(self, at: int) -> Style:
        """The style a line starts from."""
        return self.rich_style

    def render_line(self, y: int) -> Strip:
        """One line of the screen (Textual's line interface)."""
        at = y + self.scroll_offset.y
        if at >= len(self._lines):
            return Strip.blank(self.size.width, self.rich_style)
        base = self.line_base(at)
        segments = [
            Segment(drawn(text, self.glyphs), base + self._tone(tone))
            for text, tone in self._lines[at]
        ]
        strip = Strip(segments)
        return strip.adjust_cell_length(self.size.width, base)

    def _tone(self, tone: str) -> Style:
        return self.get_component_rich_style(f"lines--{tone}", partial=True)
