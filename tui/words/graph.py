"""A one-colour area of braille dots over time, two readings a cell. Knows numbers only."""

from __future__ import annotations

from collections.abc import Sequence

DOTS = ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))
"""The bits of a braille cell, left column and right column, from the bottom up."""
LEVELS = 4
FILLED = tuple(
    tuple(
        chr(0x2800 + sum(DOTS[0][:left]) + sum(DOTS[1][:right])) if left or right else " "
        for right in range(LEVELS + 1)
    )
    for left in range(LEVELS + 1)
)
"""A cell by how many dots are filled in its left and its right column; this is drawn most often."""


def ceiling(values: Sequence[float | None]) -> float:
    """A round number at or above the largest value, as the top of the scale; at least 1."""
    largest = max((value for value in values if value is not None), default=0.0)
    step = 1.0
    while step * 5 < largest:
        step *= 10
    return next((step * by for by in (1, 2, 5) if step * by >= largest), step * 10)


def area(values: Sequence[float | None], cells: int, rows: int, top: float) -> list[str]:
    """The newest readings, filled from the ground up to each, as ``rows`` lines, top first.

    A reading that is missing (None) leaves its column empty; zero draws its lowest dot.
    """
    recent = list(values)[-cells * 2 :]
    drawn = [_height(value, rows * LEVELS, top) for value in recent]
    heights = [0] * (cells * 2 - len(recent)) + drawn
    return [
        "".join(_cell(heights[at], heights[at + 1], row) for at in range(0, cells * 2, 2))
        for row in reversed(range(rows))
    ]


def _height(value: float | None, levels: int, top: float) -> int:
    if value is None:
        return 0
    return min(max(round(value / top * levels), 1), levels)


def _cell(left: int, right: int, row: int) -> str:
    ground = row * LEVELS
    return FILLED[_level(left - ground)][_level(right - ground)]


def _level(height: int) -> int:
    return 0 if height < 0 else LEVELS if height > LEVELS else height
