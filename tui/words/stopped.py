"""WRITES STOPPED, in words: which server, why, what is missing, and the choices."""

from __future__ import annotations

from profiles.fold import Night
from tui.words.text import Line, Span, labelled, line, wrap


def stopped_lines(night: Night, cells: int) -> list[Line]:
    """The loud panel above everything; nothing where writes are not stopped."""
    told = night.writes_stopped
    if told is None:
        return []
    where = f" on {told.server}" if told.server else ""
    lines = [line(Span(f"WRITES STOPPED{where}", "alarm")), *wrap(told.why, cells, "strong")]
    lines += labelled("missing", told.missing, cells)
    for at, choice in enumerate(told.choices):
        lines += labelled("choices" if at == 0 else "", f"{at + 1}  {choice}", cells)
    return lines
