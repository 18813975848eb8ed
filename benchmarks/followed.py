"""A rehearsal brought to where a cutover begins: the new server follows, by our route's steps."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.launch import begin, ensure_engine
from profiles import load
from profiles.profile import Profile
from rehearsal.box import Box, start
from rehearsal.folders import Settings
from tui.unattended import Walk

SETTINGS = Settings(pooler=True, hosts="local", writers=8, rate=300.0)


@dataclass(frozen=True)
class Following:
    """A night whose destination follows; ``walk`` presses the wizard's keys."""

    box: Box
    night: Path
    profile: Profile
    walk: Walk


@asynccontextmanager
async def rehearsal() -> AsyncIterator[Box]:
    """Two servers, PgBouncer and an application of 8 writers and 300 writes a second.

    Raises HostError when it cannot be started, also where PgBouncer cannot be had.
    """
    box = await start(SETTINGS)
    try:
        yield box
    finally:
        await box.end()


@asynccontextmanager
async def following(box: Box) -> AsyncIterator[Following]:
    """A night on that rehearsal, copied and following closely; its engine ends with the block."""
    profile = load.read(box.profile_path)
    night = begin(profile)
    ensure_engine(night)
    walk = Walk(night, profile, lambda said: None)
    await walk.open()
    try:
        await walk.copy()
        yield Following(box, night, profile, walk)
    finally:
        await walk.close()
