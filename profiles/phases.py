"""The phases of a night, in order; one tuple drives rail, palette, report and tests."""

from __future__ import annotations

from typing import NamedTuple


class Phase(NamedTuple):
    """One phase."""

    number: int
    id: str
    title: str


PHASES = (
    Phase(1, "sessions", "Sessions"),
    Phase(2, "servers", "Servers"),
    Phase(3, "route", "Route"),
    Phase(4, "network", "Network test"),
    Phase(5, "tuning", "Host tuning"),
    Phase(6, "preflight", "Preflight"),
    Phase(7, "replication", "Replication setup"),
    Phase(8, "lag", "Lag meter"),
    Phase(9, "verify", "Verify"),
    Phase(10, "cutover", "Cutover checklist"),
    Phase(11, "aftercare", "Aftercare"),
)

BY_ID = {phase.id: phase for phase in PHASES}
