"""Saving a profile where the operator wants it: asks for the path, writes the file, says where.

Knows files and dialogs; what the night does with the profile is the engine's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from profiles import load
from profiles.errors import ProfileError
from profiles.files import private_folder
from profiles.nights import slug
from profiles.profile import Profile
from profiles.shape import Table
from tui.widgets.dialogs import Ask, Choice, Choose

if TYPE_CHECKING:
    from tui.app import Nightferry

SAID = (
    "The profile is kept beside the night, and as a file of your own: share it, or begin another "
    "night on it. It says where secrets are to be had, and holds none.",
    "Its path:",
)


def usual_path(name: str, environment: Mapping[str, str]) -> Path:
    """Below XDG_CONFIG_HOME, which counts only when it is absolute."""
    named = Path(environment.get("XDG_CONFIG_HOME", ""))
    home = named if named.is_absolute() else Path.home() / ".config"
    return home / "nightferry" / f"{slug(name)}.toml"


async def saved(window: Nightferry, raw: Table) -> Path | None:
    """The file it was written to; None when the operator went back. Raises ProfileError."""
    profile = msgspec.convert(raw, Profile)
    given = str(usual_path(profile.name, window.environment))
    while True:
        typed = await window.push_screen_wait(Ask("Save the profile", SAID, given=given))
        if typed is None:
            return None
        path, given = _absolute(typed), typed
        if not path.exists() or await _may_replace(window, path):
            await asyncio.to_thread(_write, path, profile)
            return path


async def _may_replace(window: Nightferry, path: Path) -> bool:
    said = [f"{path} is there already.", "Comments in it, and its order, would be lost."]
    choices = [Choice("r", "replace it", "replace")]
    return await window.push_screen_wait(Choose("Replace the file", said, choices)) == "replace"


def _absolute(typed: str) -> Path:
    return Path(typed).expanduser().absolute()


def _write(path: Path, profile: Profile) -> None:
    try:
        private_folder(path.parent)
    except OSError as error:
        problem = f"{path.parent}: expected to be able to make this folder, found: {error.strerror}"
        raise ProfileError(str(path), (problem,), "write the profile") from error
    load.write(path, profile)
