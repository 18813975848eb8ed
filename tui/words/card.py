"""The card of a phase in a rehearsal, as lines. Knows what the card says, and which faults are at
work; makes none.
"""

from __future__ import annotations

from collections.abc import Collection

from profiles.phases import BY_ID
from rehearsal.faults import BY_PHASE, Fault, offered
from tui.words.text import Line, Span, labelled, line, wrap


def card_lines(phase: str, at_work: Collection[str], cells: int) -> list[Line]:
    """What the phase teaches, then each fault: what it does, where it shows, what to do."""
    lines = wrap(BY_PHASE[phase].teaches, cells)
    for number, fault in enumerate(offered(phase), start=1):
        lines += [line(), *_fault_lines(number, fault, fault.name in at_work, cells)]
    return lines


def choice_says(fault: Fault, at_work: Collection[str]) -> str:
    """What the fault's key does now."""
    return f"{'take back' if fault.name in at_work else 'make'}: {fault.title}"


def _fault_lines(number: int, fault: Fault, at_work: bool, cells: int) -> list[Line]:
    now = Span("   ! at work", "warn") if at_work else ""
    screens = ", ".join(BY_ID[phase].title for phase in fault.shown_on)
    return [
        line(Span(f"{number}  ", "strong"), Span(fault.title, "heading"), now),
        *wrap(fault.teaches, cells),
        *labelled("does", fault.does, cells),
        *labelled("look at", f"{screens}. {fault.seen}", cells),
        *labelled("then", fault.todo, cells),
    ]
