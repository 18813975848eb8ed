"""The nights of a machine as rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from profiles.events import EPOCH
from tui.words import figures
from tui.words.rows import Row, heading
from tui.words.text import Line, Span, cell, labelled, line

if TYPE_CHECKING:
    from tui.nights import Known


def rows(known: Sequence[Known], now: datetime, cells: int) -> list[Row]:
    """Those that live first: they can be come back to. Then all others, as they are known."""
    live = [_row(each, now, cells) for each in known if each.live]
    others = [_row(each, now, cells) for each in known if not each.live]
    if not live:
        return others
    back = heading("Alive now", "enter comes back to it; it went on without a window", cells)
    return [back, *live, *([heading("Asleep"), *others] if others else [])]


def _row(night: Known, now: datetime, cells: int) -> Row:
    """Live or not, the name, where it stands, and when it was last heard of."""
    mark = Span("● live  ", "pass") if night.live else Span("  asleep", "dim")
    heard = figures.ago(night.at, now) if night.at != EPOCH else ""
    names = max(cells - 8 - 2 - 22 - 12, 16)
    said = Span(cell(night.stands, 22), "stop" if night.trouble else "plain")
    columns = line(mark, "  ", Span(cell(night.name, names), "strong"), " ", said, cell(heard, 11))
    return Row(night.name, columns)


def detail(night: Known, cells: int) -> list[Line]:
    """Where it is, and why it cannot be opened."""
    lines = labelled("night", night.name, cells, "strong")
    lines += labelled("folder", str(night.path), cells)
    held = "an engine holds it" if night.live else "no engine holds it"
    lines += labelled("engine", held, cells)
    return [*lines, *labelled("trouble", night.trouble, cells, "stop")]
