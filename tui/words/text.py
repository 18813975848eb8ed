"""Lines of toned text and the few operations on them. Knows cells, not colours."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from itertools import zip_longest
from typing import Literal, NamedTuple

from rich.cells import cell_len, set_cell_size

Tone = Literal[
    "plain",
    "dim",
    "strong",
    "pass",
    "note",
    "warn",
    "stop",
    "unknown",
    "add",
    "remove",
    "heading",
    "rehearsal",
    "production",
    "armed",
    "alarm",
]
"""What a piece of text means; the stylesheet says how that looks."""
TONES: tuple[Tone, ...] = Tone.__args__  # type: ignore[attr-defined]


WORTH_A_MOVE_CELLS = 12
"""A cursor's move and the colours anew are about as many bytes."""


class Span(NamedTuple):
    """A piece of text of one tone."""

    text: str
    tone: Tone = "plain"


Line = tuple[Span, ...]
"""One line of the screen."""


def line(*parts: str | Span) -> Line:
    """A line from plain strings and spans."""
    return tuple(part if isinstance(part, Span) else Span(part) for part in parts if part)


def plain(of: Line) -> str:
    """The line without its tones."""
    return "".join(span.text for span in of)


def width(of: Line) -> int:
    """How many cells the line takes."""
    return sum(cell_len(span.text) for span in of)


def clip(of: Line, cells: int) -> Line:
    """The line cut to so many cells, with an ellipsis where something was cut off."""
    if width(of) <= cells:
        return of
    kept: list[Span] = []
    left = cells - 1
    for span in of:
        if left <= 0:
            break
        text = set_cell_size(span.text, min(left, cell_len(span.text)))
        kept.append(Span(text, span.tone))
        left -= cell_len(text)
    return (*kept, Span("…", "dim"))


def fill(of: Line, cells: int, tone: Tone = "plain") -> Line:
    """The line clipped or filled up with blanks to exactly so many cells."""
    missing = cells - width(of)
    return (*of, Span(" " * missing, tone)) if missing > 0 else clip(of, cells)


def changed_runs(old: Line, new: Line) -> list[tuple[int, int]]:
    """The runs of cells, first and end, in which two lines differ.

    Two runs with few cells between them are one: to move there costs more than those cells.
    """
    before, after = _cells(old), _cells(new)
    runs: list[tuple[int, int]] = []
    for at, (one, other) in enumerate(zip_longest(before, after)):
        if one == other:
            continue
        if runs and at - runs[-1][1] < WORTH_A_MOVE_CELLS:
            runs[-1] = (runs[-1][0], at + 1)
        else:
            runs.append((at, at + 1))
    return runs


def _cells(of: Line) -> list[tuple[str, Tone]]:
    """What stands in each cell; the second cell of a wide character changes with the first."""
    return [
        (character, span.tone)
        for span in of
        for character in span.text
        for _ in range(cell_len(character))
    ]


def shorten(text: str, cells: int) -> str:
    """The text in at most so many cells, the middle left out: both ends of a name tell it apart."""
    if cell_len(text) <= cells:
        return text
    if cells <= 1:
        return "…"[:cells]
    head = cells // 2
    tail = cells - head - 1
    return text[:head] + "…" + text[len(text) - tail :]


def cell(text: str, cells: int) -> str:
    """The text as a column of exactly so many cells."""
    return set_cell_size(shorten(text, cells), cells)


def cut(text: str, cells: int) -> str:
    """A sentence as a column of exactly so many cells: what is too long loses its end."""
    return cell(text, cells) if cell_len(text) <= cells else set_cell_size(text, cells - 1) + "…"


def wrap(text: str, cells: int, tone: Tone = "plain", indent: str = "") -> list[Line]:
    """The text broken into lines of at most so many cells; its own line ends are kept."""
    broken: list[Line] = []
    for paragraph in text.splitlines():
        pieces = textwrap.wrap(
            paragraph,
            max(cells, 10),
            initial_indent=indent,
            subsequent_indent=indent,
            replace_whitespace=False,
            drop_whitespace=True,
            break_on_hyphens=False,
        )
        broken += [line(Span(piece, tone)) for piece in pieces or [""]]
    return broken


def message(text: str, trouble: bool, cells: int) -> list[Line]:
    """What is told above the footer, with its mark; nothing for an empty text."""
    tone: Tone = "warn" if trouble else "note"
    first, *rest = wrap(text, cells, tone) or [()]
    if not first:
        return []
    mark = Span("! " if trouble else "· ", tone)
    return [line(mark, *first), *[line("  ", *each) for each in rest]]


def labelled(label: str, text: str, cells: int, tone: Tone = "plain") -> list[Line]:
    """A paragraph with a dim label before its first line; nothing at all for an empty text."""
    if not text:
        return []
    head = label.ljust(9) + " "
    body = wrap(text, cells - len(head), tone)
    blank = " " * len(head)
    return [line(Span(head if at == 0 else blank, "dim"), *rest) for at, rest in enumerate(body)]


def text_of(lines: Iterable[Line]) -> str:
    """The lines as plain text."""
    return "\n".join(plain(each).rstrip() for each in lines)
