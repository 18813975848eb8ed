"""Phase Host tuning: what the two hosts are, how they fare, and what that means for the night.

Knows which server's host is looked at with which paths, and that one look serves all checks of a
side; what the figures mean is `checks.host`'s.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from checks.check import Asks, Look, Run, Said
from checks.host import compared as comparing
from checks.host import space, verdicts
from checks.host.gather import gather
from checks.host.verdicts import JUDGES
from checks.host.where import Where, where
from checks.queries import ask
from checks.sizing import wal_rate
from profiles.errors import NightferryError
from profiles.events import HostLooked
from profiles.machine import HostSeen, Place

WATCHED_S = 2.0
"""Long enough for a percent of the time of two processors to be more than one tick."""
SPARE_FILES = 64
"""What a server's process opens beside its tables: log, sockets, libraries."""


async def seen(look: Look, side: str) -> HostSeen:
    """The host of one side; one look for all who ask, an error too. Raises NightferryError."""
    key = f"host of the {side}"
    async with look.measured.setdefault(f"{key}, under way", asyncio.Lock()):
        if key not in look.measured:
            look.measured[key] = await _seen_or_error(look, side)
    found: HostSeen | NightferryError = look.measured[key]
    if isinstance(found, NightferryError):
        raise found
    return found


async def _seen_or_error(look: Look, side: str) -> HostSeen | NightferryError:
    server = look.server(side)
    try:
        machine = look.machine(server.name)
        asked = await _where(look, side)
        found = await gather(machine, server.name, asked.places, WATCHED_S, asked.pid)
    except NightferryError as error:
        return error
    found = msgspec.structs.replace(found, unread=(*found.unread, *asked.unasked))
    look.tell(HostLooked(server=server.name, seen=found))
    return found


async def _where(look: Look, side: str) -> Where:
    """A host without a session is still worth a look."""
    try:
        return await where(look.on(side))
    except NightferryError as error:
        return Where(unasked=(f"the server's folders and process: {error}",))


def judging(id_: str) -> Run:
    """The check that only asks what was seen of the host."""

    async def run(look: Look, side: str) -> Said:
        return JUDGES[id_](await seen(look, side))

    return run


async def open_files(look: Look, side: str) -> Said:
    """May the server open as many files as it is set to?"""
    said = verdicts.open_files(found := await seen(look, side))
    limit = found.limits.get("open files", verdicts.OPEN_FILES)
    wanted = (await _limits(look.on(side)))["max_files_per_process"] + SPARE_FILES
    if said.verdict != "pass" or limit < 0 or limit >= wanted:
        return said
    says = f"Its max_files_per_process wants {wanted:,}: it closes files to open others."
    return msgspec.structs.replace(said, verdict="warn", says=says)


async def space_for_copy(look: Look, side: str) -> Said:
    """Does the destination's disk take the copy?"""
    place = _looked_at(await seen(look, side), "data")
    old = (await ask(look.on("source"), "space_wanted")).first
    new = (await ask(look.on(side), "space_wanted")).first
    wal = (await seen(look, side)).place("wal")
    together = wal is None or wal.mount == place.mount
    copy = space.Copy(
        database=old["database_bytes"],
        there=new["database_bytes"] if look.moving(side) else 0,
        wal=new["max_wal_bytes"] if together else 0,
    )
    return space.for_copy(place.free, copy, place.mount)


async def space_for_log(look: Look, side: str) -> Said:
    """Does the source's disk take the log that waits for the destination?"""
    place = _looked_at(await seen(look, side), "wal")
    wanted = (await ask(look.on(side), "space_wanted")).first
    rate = await wal_rate(look, side)
    finish_by = look.profile.finish_by
    log = space.Log(
        write_rate=rate.bytes_a_second,
        to_copy=wanted["database_bytes"],
        left_s=None if finish_by is None else (finish_by - datetime.now(UTC)).total_seconds(),
        slot_keeps=wanted["slot_keeps_bytes"],
    )
    return space.for_log(place.free, log, place.mount)


async def compared(look: Look, name: str) -> Said:
    """Which limit is lower on the new host?"""
    old, new = await asyncio.gather(seen(look, "source"), seen(look, "destination"))
    was, will = await asyncio.gather(*(_limits(look.on(side)) for side in SIDES))
    return comparing.compared(old, new, was, will)


SIDES = ("source", "destination")


class Commits(NamedTuple):
    """How many transactions that wrote a server commits: only those are replicated."""

    a_second: float
    evidence: str


async def commit_rate(look: Look, side: str) -> Commits:
    """Watch a server for as long as the profile says. Raises NightferryError.

    Counted by their numbers, which only a transaction that writes is given: xact_commit counts
    those that read as well.
    """
    session = look.on(side)
    before = await ask(session, "commits")
    await asyncio.sleep(look.profile.thresholds.write_rate_window_s)
    after = await ask(session, "commits")
    passed_s = (after.first["at"] - before.first["at"]).total_seconds()
    writing = after.first["writing"] - before.first["writing"]
    every = after.first["commits"] - before.first["commits"]
    evidence = (
        f"{before.evidence}\n→ {passed_s:.1f} s later {every} more, {writing} of them writing"
    )
    return Commits(writing / passed_s, evidence)


async def commits(look: Look, side: str) -> Said:
    """How many transactions that wrote does the source commit in a second?"""
    rate = await commit_rate(look, side)
    figure = f"{rate.a_second:.0f} transactions/s that write"
    says = "The write test of the new disk is held against it: can it keep up?"
    return Said(
        verdict="pass",
        figure=figure,
        says=says,
        evidence=rate.evidence,
        figures={"commits_a_second": rate.a_second},
    )


class _Free(NamedTuple):
    mount: str
    free: int


def _looked_at(found: HostSeen, what: str) -> _Free:
    """The filesystem of a place; raises NightferryError where it was not seen."""
    place: Place | None = found.place(what)
    if place is None or place.mount is None or place.free is None:
        path = place.path if place else f"the server's folder of {what}"
        why = "; ".join(found.unread) or "df says nothing of it"
        raise NightferryError(found.host, f"look at the free space of {path}", why)
    return _Free(place.mount, place.free)


async def _limits(session: Asks) -> dict[str, int]:
    rows: Any = (await ask(session, "server_limits")).rows
    return {row["name"]: row["setting"] for row in rows}
