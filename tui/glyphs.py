"""One table of glyphs and their twins of one cell, for terminals that cannot draw them."""

from __future__ import annotations

import locale
from collections.abc import Mapping

LOCALES = ("LC_ALL", "LC_CTYPE", "LANG")
"""Where a locale is named, the strongest first."""
PORTABLE = ("C", "POSIX")
"""Their characters are ASCII."""
BRAILLE = range(0x2800, 0x2900)
SHADES = " ▂▄▆█"
ASCII_SHADES = " .:#"
TWINS = {
    "✓": "+",
    "✗": "X",
    "·": "-",
    "▸": ">",
    "●": "*",
    "–": "-",
    "…": "~",
    "→": ">",
    "×": "x",
    "≈": "~",
    "┤": "|",
    "▓": "#",
    "░": ".",
    "•": "*",
    "“": '"',
    "”": '"',
    "’": "'",
    "≥": ">",
    "≤": "<",
    "↓": "v",
    "↑": "^",
    "─": "-",
    "▏": "|",
}
"""Every twin is one cell wide, so that columns stay where they are."""


def _deepest(dots: int) -> int:
    """How many of a braille cell's four levels are filled in its fuller column."""
    columns = ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))
    return max(sum(bool(dots & bit) for bit in column) for column in columns)


BLOCKS: Mapping[int, str] = {code: SHADES[_deepest(code - 0x2800)] for code in BRAILLE}
ASCII: Mapping[int, str] = {
    **{ord(glyph): twin for glyph, twin in TWINS.items()},
    **{code: ASCII_SHADES[min(_deepest(code - 0x2800), 3)] for code in BRAILLE},
}


def table(encoding: str, term: str) -> Mapping[int, str]:
    """What to translate before drawing: nothing, braille alone (the Linux console), or all."""
    if "utf" not in encoding.lower():
        return ASCII
    return BLOCKS if term == "linux" else {}


def table_here(environment: Mapping[str, str]) -> Mapping[int, str]:
    """The table for the terminal we stand in, by its locale and its name."""
    named = _named(environment)
    said = "." in named or named in PORTABLE
    encoding = named if said else locale.getpreferredencoding(False)
    return table(encoding, environment.get("TERM", ""))


def _named(environment: Mapping[str, str]) -> str:
    """The locale of characters as the operator named it (locale(7)), not as Python mended it.

    Python puts C.UTF-8 in the place of a C locale, and takes UTF-8 for granted under LC_ALL=C
    (PEP 538, PEP 540): what the terminal can draw is known only from what was there before.
    """
    whole, characters, rest = (environment.get(name, "") for name in LOCALES)
    if not whole and characters == "C.UTF-8" and rest in PORTABLE:
        return rest
    return whole or characters or rest


def drawn(text: str, glyphs: Mapping[int, str]) -> str:
    """The text as this terminal can draw it."""
    if not glyphs:
        return text
    told = text.translate(glyphs)
    return told if glyphs is not ASCII else told.encode("ascii", "replace").decode("ascii")
