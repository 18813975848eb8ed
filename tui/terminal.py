"""What is written to the terminal beside the picture: its title, kept and given back.

OSC 2 sets a title; XTWINOPS 22 and 23 push and pop it (xterm's Control Sequences). Consoles and
hardware terminals would show the text instead: they are left alone.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

KEEP = "\x1b[22;2t"
GIVE_BACK = "\x1b[23;2t"
WITHOUT_TITLES = ("linux", "vt", "dumb", "cons", "ansi")
"""How the names of such terminals begin."""


def takes_titles(environment: Mapping[str, str]) -> bool:
    """Whether this terminal can be given a title."""
    term = environment.get("TERM", "")
    return bool(term) and not term.startswith(WITHOUT_TITLES)


def titled(text: str) -> str:
    """What gives the terminal this title."""
    return f"\x1b]2;{text}\x07"


def held_by_a_multiplexer(environment: Mapping[str, str]) -> bool:
    """Whether tmux or screen keeps this terminal over a dropped line."""
    return bool(environment.get("TMUX") or environment.get("STY"))


@contextmanager
def title_kept(environment: Mapping[str, str]) -> Iterator[None]:
    """The title that was there before is there again afterwards."""
    terminal = sys.__stderr__
    if terminal is None or not terminal.isatty() or not takes_titles(environment):
        yield
        return
    terminal.write(KEEP)
    terminal.flush()
    try:
        yield
    finally:
        terminal.write(GIVE_BACK)
        terminal.flush()
