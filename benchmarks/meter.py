"""A night without servers whose lag meter runs: an engine's socket that tells a reading a second.

``python -m benchmarks.meter`` begins one, prints its name, and serves it until it is killed.
"""

from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from engine.launch import begin
from engine.night import THINNED_EVERY, LiveNight
from engine.server import WindowServer
from profiles.errors import RefusedError
from profiles.events import (
    ChecksBegan,
    ChecksEnded,
    EngineStarted,
    Event,
    Found,
    GateRead,
    Sampled,
    ServerSeen,
)
from profiles.findings import Finding
from profiles.fold import Night, fold
from profiles.journal import Journal
from profiles.nights import make_socket_path
from profiles.profile import Profile, Server
from profiles.requests import Request

READ_EVERY_S = 1.0
READ_BEFORE = 240
"""Enough to fill the graph of a wide terminal."""
MB = 1_000_000
PROFILE = Profile(
    name="metered",
    databases=["orders"],
    source=Server(name="db-old", address="10.20.0.5", country="DE", operated_by="us"),
    destination=Server(name="db-new", address="10.30.0.5", country="NO", operated_by="us"),
)


class NoDesk:
    """Nothing can be asked of this night."""

    async def handle(self, request: Request) -> None:
        """Refuse it. Raises RefusedError."""
        raise RefusedError(PROFILE.name, "ask", "this night has no servers")


def reading(number: int) -> Sampled:
    """A reading that differs from the one before in every figure, as under a real load."""
    behind = MB * (12 + 9 * math.sin(number / 7) + 3 * math.sin(number * 2.1))
    return Sampled(
        behind_bytes=round(max(behind, 0.4 * MB)),
        behind_s=round(max(behind, 0.4 * MB) / (9 * MB), 2),
        write_rate=MB * (3 + math.sin(number / 3)),
        apply_rate=MB * (9 + math.cos(number / 4)),
        retained_bytes=round(MB * (48 + 5 * math.sin(number / 11))),
        wal_status="reserved",
        caught_up_in_s=round(1.5 + math.sin(number / 7), 1),
    )


def gate(number: int) -> GateRead:
    """The gate that the cutover waits for, read with it."""
    figure = f"behind < 1 s for 60 s: {reading(number).behind_s} s, held {number} s"
    return GateRead(gate="behind", holds=number % 9 > 4, figure=figure, held_s=float(number))


def before() -> list[Event]:
    """Both servers have let us in, the phase has been looked at, the graph is full."""
    drift = Finding(check="pg.schema_drift", phase="lag", verdict="pass", figure="all alike")
    return [
        EngineStarted(pid=0),
        ServerSeen(server="db-old", version="16.14", version_num=160014, size_bytes=212_000 * MB),
        ServerSeen(server="db-new", version="18.4", version_num=180004, size_bytes=8 * MB),
        ChecksBegan(phase="lag"),
        Found(finding=drift),
        ChecksEnded(phase="lag", duration_ms=12.0),
        *[reading(number) for number in range(READ_BEFORE)],
    ]


def _so_far(folder: Path, journal: Journal) -> Night:
    """The night up to now, in the journal: its readings lie so far apart that all are kept."""
    events = before()
    began = datetime.now(UTC) - len(events) * THINNED_EVERY
    times = (began + number * THINNED_EVERY for number in count())
    past = LiveNight(folder, journal, fold(journal.events), lambda: next(times))
    for event in events:
        past.publish(event, wait=False)
    return past.state


async def serve() -> None:
    """Tell a reading a second, for ever."""
    folder = begin(PROFILE)
    with Journal.open(folder) as journal:
        live = LiveNight(folder, journal, _so_far(folder, journal))
        await WindowServer(live, NoDesk(), print).open(make_socket_path(folder))
        print(live.name, flush=True)
        for number in count(READ_BEFORE):
            live.publish(reading(number), wait=False)
            live.publish(gate(number), wait=False)
            await asyncio.sleep(READ_EVERY_S)


if __name__ == "__main__":
    asyncio.run(serve())
