"""How a measured figure is written: always with its unit, short enough for a line."""

from __future__ import annotations

from collections.abc import Sequence

UNITS = ("kB", "MB", "GB", "TB", "PB")


def size(bytes_: float) -> str:
    """Bytes in the unit that fits, powers of 1000: ``1.2 MB``."""
    if abs(bytes_) < 1000:
        return f"{bytes_:.0f} B"
    value, at = bytes_ / 1000, 0
    while abs(value) >= 999.5 and at < len(UNITS) - 1:
        value, at = value / 1000, at + 1
    unit = UNITS[at]
    return f"{value:.1f} {unit}" if abs(value) < 10 else f"{value:.0f} {unit}"


def duration(seconds: float) -> str:
    """Seconds in words: ``0.4 s``, ``12 min``, ``3 h 20 min``."""
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def number(count: int, what: str) -> str:
    """A count and its noun: ``1 table``, ``3 tables``, ``no table``."""
    if count == 0:
        return f"no {what}"
    return f"{count} {what}" if count == 1 else f"{count} {_plural(what)}"


def several(names: Sequence[str], shown: int = 5) -> str:
    """The first names of a list, and how many more there are."""
    if len(names) <= shown:
        return ", ".join(names)
    return f"{', '.join(names[:shown])} and {len(names) - shown} more"


def _plural(what: str) -> str:
    noun, of, rest = what.partition(" of ")
    if noun.endswith("y") and noun[-2] not in "aeo":
        return f"{noun[:-1]}ies{of}{rest}"
    return f"{noun}s{of}{rest}"
