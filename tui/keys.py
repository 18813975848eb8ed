"""What can be done now, as data: one offer is a key, a line of help, a palette entry and an action.

The footer, the help, the palette and the key itself all read the same offer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tui.words.text import Line, Span, line, width

FOOTER_KEYS = 7
HELP = "?"
SHOWN = {"escape": "esc", "f1": "F1"}


@dataclass(frozen=True)
class Offer:
    """A key and what it does; ``why_not`` says why it cannot be done now."""

    key: str
    does: str
    do: Callable[[], object]
    why_not: str = ""
    quiet: bool = False
    """Not in the footer; in help and palette all the same."""
    area: str = "step"
    """What the palette sorts it under: ``step: Run``."""


def key_name(key: str) -> str:
    """The key as the footer shows it."""
    return SHOWN.get(key, key)


def find(offers: Iterable[Offer], key: str, character: str | None) -> Offer | None:
    """The offer that a pressed key means; the first one wins."""
    return next((offer for offer in offers if offer.key in (key, character)), None)


def footer_line(offers: Sequence[Offer], cells: int) -> Line:
    """Six or seven keys that fit, help last; those that cannot work now are dimmed, in brackets."""
    last = [_drawn(offer) for offer in offers if offer.key == HELP]
    room = cells - sum(width(part) for part in last)
    drawn: Line = line(" ")
    taken = len(last)
    for offer in _once([each for each in offers if not each.quiet and each.key != HELP]):
        part = _drawn(offer)
        if taken == FOOTER_KEYS or width(drawn) + width(part) > room:
            break
        drawn, taken = (*drawn, *part), taken + 1
    return tuple(span for part in (drawn, *last) for span in part)


def _once(offers: Iterable[Offer]) -> list[Offer]:
    """Each key once: the offer that the key would take."""
    first: dict[str, Offer] = {}
    for offer in offers:
        first.setdefault(offer.key, offer)
    return list(first.values())


def _drawn(offer: Offer) -> Line:
    name = key_name(offer.key)
    if offer.why_not:
        return line(Span(f"({name} {offer.does})  ", "dim"))
    return line(Span(name, "strong"), Span(f" {offer.does}  ", "plain"))


def help_lines(offers: Iterable[Offer]) -> list[Line]:
    """Every key of a screen, with the reason where it cannot work now."""
    lines = []
    for offer in _once(offers):
        lines.append(line(Span(f"{key_name(offer.key):>8}  ", "strong"), offer.does))
        if offer.why_not:
            lines.append(line(Span(f"{'':>10}not now: {offer.why_not}", "dim")))
    return lines
