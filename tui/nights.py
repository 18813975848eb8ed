"""The nights of this machine as the Sessions screen lists them. Reads journals; writes nothing."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from engine.launch import begin, begin_draft
from profiles import load
from profiles.errors import JournalError, ProfileError
from profiles.events import EPOCH
from profiles.fold import Night, fold
from profiles.journal import read_events
from profiles.nights import NightFolder, nights
from profiles.phases import BY_ID
from profiles.profile import Name
from profiles.shape import problems


class Known(NamedTuple):
    """One night: whether an engine holds it, where it stands, when it was last heard of."""

    name: str
    path: Path
    live: bool
    stands: str
    at: datetime = EPOCH
    trouble: str = ""


def known_nights() -> list[Known]:
    """Every night on this machine, the newest first. Raises JournalError."""
    return [_known(folder) for folder in nights()]


def begin_from(path: Path) -> Path:
    """The folder of a new night on the profile in that file. Raises ProfileError, JournalError."""
    return begin(load.read(path.expanduser()))


def begin_named(name: str) -> Path:
    """The folder of a new night whose profile is still to be entered.

    Raises ProfileError for what is no name, JournalError.
    """
    if wrong := list(problems(Name, name, {})):
        raise ProfileError(name, tuple(problem.says for problem in wrong), "take the name")
    return begin_draft(name)


def _known(folder: NightFolder) -> Known:
    try:
        night = fold(read_events(folder.path).events)
    except JournalError as error:
        return Known(folder.name, folder.path, folder.live, "cannot be read", trouble=str(error))
    return Known(folder.name, folder.path, folder.live, _stands(night), night.at)


def _stands(night: Night) -> str:
    if night.ended:
        return "ended"
    if night.armed:
        return "armed"
    if night.draft:
        return "being entered"
    return f"at {BY_ID[night.current_phase()].title}"
