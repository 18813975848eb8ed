"""The heartbeat: the source's own clock in a published row, so that lag is measured by travel."""

from __future__ import annotations

from connections.postgres import Session
from profiles.names import SCHEMA

BEAT = f"""\
INSERT INTO {SCHEMA}.heartbeat (night, direction, at) VALUES ($1, $2, clock_timestamp())
  ON CONFLICT (night, direction) DO UPDATE SET at = excluded.at"""

BEAT_S = 2.0


async def beat(source: Session, night: str, direction: str = "forward") -> None:
    """Write it once. Raises what `connections.postgres.Session.rows` raises."""
    await source.rows(BEAT, night, direction, deadline_s=BEAT_S)
