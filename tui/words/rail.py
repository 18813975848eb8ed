"""The rail: every phase with its mark; numbers alone where there is no room for titles."""

from __future__ import annotations

from profiles.phases import PHASES
from tui.words.marks import phase_mark
from tui.words.text import Line, Span, Tone, line
from tui.words.view import View


def rail(view: View, here: str, narrow: bool) -> list[Line]:
    """One line a phase, then the number of loose ends."""
    lines = []
    for phase in PHASES:
        mark = phase_mark(view.night, phase, here)
        tone: Tone = "strong" if phase.id == here else "plain"
        title = "" if narrow else f" {phase.title}"
        lines.append(line(mark, " " * (not narrow), Span(f"{phase.number:>2}{title}", tone)))
    count = len(view.night.open_loose_ends())
    if not narrow:
        return [*lines, line(), line(Span(f"loose ends {count}", "warn" if count else "dim"))]
    tone = "warn" if count else "dim"
    return [*lines, line(), line(Span("ends", "dim")), line(Span(f"{count:>3}", tone))]
