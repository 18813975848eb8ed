"""What a window looks at: the night, the clock, and whether anybody still tells it anything."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

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


def profile_of(night: Night) -> Profile | None:
    """The night's profile; None before its first event. Raises msgspec.ValidationError."""
    return msgspec.convert(night.profile, Profile) if night.profile else None


def version_of(night: Night, server: Server) -> str:
    """``pg 16.14``, or ``pg ?`` while the server has not let us in."""
    seen = night.servers.get(server.name)
    return f"pg {seen.version}" if seen else "pg ?"
