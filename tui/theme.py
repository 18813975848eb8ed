"""The colours: blue and orange carry good and bad, so that red and green need not be told apart.

Two themes, for dark and for light terminals; which one was chosen is kept in a file of one word.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from textual.theme import Theme

from profiles.files import private_folder, write_whole

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
DAY = Theme(
    name="nightferry-light",
    dark=False,
    primary="#005faf",
    secondary="#005f87",
    accent="#005faf",
    success="#005faf",
    warning="#8f4700",
    error="#af3a00",
    background="#ffffff",
    surface="#ffffff",
    panel="#e4e4e4",
    foreground="#262626",
    variables={"quiet": "#5f5f5f", "line": "#a8a8a8"},
)
THEMES = {NIGHT.name: NIGHT, DAY.name: DAY}
FILE = "theme"


def other(name: str) -> Theme:
    """The one that is not shown now."""
    return DAY if name == NIGHT.name else NIGHT


def remembered(environment: Mapping[str, str]) -> str:
    """The name of the theme that was chosen last; the dark one where none can be read."""
    path = _file(environment)
    try:
        name = path.read_text(encoding="utf-8").strip() if path else ""
    except (OSError, UnicodeDecodeError):
        return NIGHT.name  # colours hold nobody up
    return name if name in THEMES else NIGHT.name


def remember(name: str, environment: Mapping[str, str]) -> None:
    """Show that theme the next time too. Raises OSError."""
    path = _file(environment)
    if path is not None:
        private_folder(path.parent)
        write_whole(path, f"{name}\n".encode())


def _file(environment: Mapping[str, str]) -> Path | None:
    """Below XDG_CONFIG_HOME, which counts only when it is absolute; None without a home."""
    named, home = Path(environment.get("XDG_CONFIG_HOME", "")), environment.get("HOME", "")
    if named.is_absolute():
        return named / "nightferry" / FILE
    return Path(home) / ".config" / "nightferry" / FILE if home else None
