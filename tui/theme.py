"""The colours: blue and orange carry good and bad, so that red and green need not be told apart."""

from __future__ import annotations

from textual.theme import Theme

NIGHT = Theme(
    name="nightferry",
    dark=True,
    primary="#5fafff",
    secondary="#87afd7",
    accent="#5fafff",
    success="#5fafff",
    warning="#ffaf5f",
    error="#ff875f",
    background="#121212",
    surface="#121212",
    panel="#262626",
    foreground="#d0d0d0",
    variables={"quiet": "#8a8a8a", "line": "#4e4e4e"},
)
