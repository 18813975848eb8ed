"""One table of glyphs and their twins of one cell, for terminals that cannot draw them."""

from __future__ import annotations

import locale
from collections.abc import Mapping

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
    named = next(
        (environment[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if environment.get(name)), ""
    )
    encoding = named if "." in named else locale.getpreferredencoding(False)
    return table(encoding, environment.get("TERM", ""))


def drawn(text: str, glyphs: Mapping[int, str]) -> str:
    """The text as this terminal can draw it."""
    if not glyphs:
        return text
    told = text.translate(glyphs)
    return told if glyphs is not ASCII else told.encode("ascii", "replace").decode("ascii")
