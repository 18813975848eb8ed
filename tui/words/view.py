"""What a window looks at: the night, the clock, and whether anybody still tells it anything."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec

from profiles.fold import Night
from profiles.profile import Profile, Server


@dataclass(frozen=True)
class View:
    """All that a screen is drawn from."""

    night: Night
    now: datetime
    lost: str = ""
    """Why no engine is heard; what is shown is then as old as ``night.at``."""
    watch: bool = False
    open: bool = True
    """False on the Sessions screen before a night was chosen."""
    waiting: str = ""
    """What was asked of the engine, where it takes its time to say anything."""
    alone: bool = False
    """No tmux or screen keeps this terminal over a dropped line."""


Ground = Literal["production", "rehearsal"]
"""What the night moves: told by a word and a band wherever something can be done."""


def profile_of(night: Night) -> Profile | None:
    """The night's profile; None while there is none, or no whole one.

    Raises msgspec.ValidationError.
    """
    whole = night.profile and not night.draft
    return msgspec.convert(night.profile, Profile) if whole else None


def ground_of(night: Night) -> Ground | None:
    """What the night moves; None where no night is open. A rehearsal is never entered by hand."""
    if night.draft:
        return "production"
    profile = profile_of(night)
    if profile is None:
        return None
    return "rehearsal" if profile.rehearsal else "production"


def version_of(night: Night, server: Server) -> str:
    """``pg 16.14``, or ``pg ?`` while the server has not let us in."""
    seen = night.servers.get(server.name)
    return f"pg {seen.version}" if seen else "pg ?"
