"""Phase Servers: is each server there, of a version we can move, ours to command, and its own."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import NamedTuple

from checks.check import Asks, Look, Said, remedy_id
from checks.figures import size
from checks.queries import Answer, ask, query
from connections.tls import is_loopback
from profiles.errors import NightferryError
from profiles.profile import Server

OLDEST_MAJOR = 16
"""Before it a subscription knows no ``origin`` and the way back would loop."""
NEWEST_MAJOR = 18
"""The newest major version this was tried with."""
OLDEST_LOGICAL_MAJOR = 10
"""Publications and subscriptions came with it (PostgreSQL 10 release notes)."""
CLOCK_READINGS = 3
MAINTENANCE = "postgres"
"""The database of a cluster that is there before any other."""


async def reachable(look: Look, side: str) -> Said:
    """Does the server let us in?"""
    held = look.sessions.get(side)
    if held is None:
        return Said(verdict="unknown", figure="not looked at: no session was tried")
    if isinstance(held, NightferryError):
        figure = f"no session: {held.answered}"
        return Said(verdict="stop", figure=figure, says=str(held), todo=held.remedy)
    server = look.server(side)
    figure = f"PostgreSQL {dotted(held.version_num)} at {server.address}:{server.port}"
    return Said(verdict="pass", figure=figure, evidence=f"logged in as {server.user}")


def dotted(version_num: int) -> str:
    """``16.14`` from 160014, ``9.6.24`` from 90624."""
    major, minor = divmod(version_num, 10000)
    if major >= OLDEST_LOGICAL_MAJOR:
        return f"{major}.{minor}"
    return f"{major}.{minor // 100}.{minor % 100}"


async def version(look: Look, side: str) -> Said:
    """Is it a version this program moves?"""
    return judged_version(look.on(side).version_num)


def judged_version(version_num: int) -> Said:
    """The verdict on one server's version."""
    major, figure = version_num // 10000, f"PostgreSQL {dotted(version_num)}"
    if major < OLDEST_LOGICAL_MAJOR:
        return Said(
            verdict="stop",
            figure=figure,
            says="Logical replication came with version 10, so this route cannot move it.",
            todo="What works: physical replication to a server of the same major version followed "
            "by pg_upgrade, or pg_dump and pg_restore with writes stopped.",
        )
    if major < OLDEST_MAJOR:
        return Said(
            verdict="stop",
            figure=figure,
            says="Versions 10 to 15 are not supported yet.",
            todo="Upgrade it to 16 or later first (pg_upgrade), or move it by a dump.",
        )
    if major > NEWEST_MAJOR:
        says = f"Newer than anything this was tried with (16 to {NEWEST_MAJOR})."
        return Said(verdict="warn", figure=figure, says=says, todo="Rehearse with this version.")
    return Said(verdict="pass", figure=figure)


async def version_order(look: Look, name: str) -> Said:
    """Is the destination no older than the source?"""
    old, new = look.on("source").version_num, look.on("destination").version_num
    figure = f"{dotted(old)} to {dotted(new)}"
    if new // 10000 >= old // 10000:
        return Said(verdict="pass", figure=figure)
    return Said(
        verdict="stop",
        figure=figure,
        says="The destination is older than the source: its pg_dump refuses the source, and the "
        "schema may use what it does not know.",
        todo=f"Install PostgreSQL {old // 10000} or later on the destination.",
    )


async def superuser(look: Look, side: str) -> Said:
    """Is the wizard's role a superuser?"""
    answer = await ask(look.on(side), "my_role")
    role = answer.first
    if role["superuser"]:
        figure = f"{role['role']} is a superuser"
        return Said(verdict="pass", figure=figure, evidence=answer.evidence)
    return Said(
        verdict="stop",
        figure=f"{role['role']} is no superuser",
        says="Roles, subscriptions and the fence need a superuser on both sides.",
        evidence=answer.evidence,
        todo=f"Name a superuser as `user` of {look.server(side).name} in the profile.",
    )


async def tls(look: Look, side: str) -> Said:
    """Is the way to the server encrypted?"""
    server = look.server(side)
    if look.on(side).encrypted:
        return Said(verdict="pass", figure="encrypted")
    if server.by_tunnel and not look.profile.rehearsal:
        return _under_ssh(side, server)
    here = is_loopback(server.address) or server.address.startswith("/")
    if here or look.profile.rehearsal:
        says = "The way to it does not leave this machine."
        return Said(verdict="note", figure="not encrypted", says=says if here else "A rehearsal.")
    return Said(
        verdict="warn",
        figure="not encrypted",
        says="Passwords are protected by SCRAM; everything else can be read on the way.",
        todo="Turn on `ssl` on the server, and leave `tls` out of the profile: verify-full.",
    )


def _under_ssh(side: str, server: Server) -> Said:
    """Our own sessions are safe as far as its host; the rows that move go another way."""
    figure = "under SSH as far as its host, no TLS"
    if side == "destination" or server.replication_tunnel is not None:
        return Said(verdict="note", figure=figure, says="What moves does not come this way.")
    return Said(
        verdict="warn",
        figure=figure,
        says="Replication does not come this way: its rows can be read on theirs.",
        todo="Turn on `ssl` on the server, or give the profile a `replication_tunnel`.",
    )


class Reading(NamedTuple):
    """One reading of a server's clock: how far ahead of ours, give or take half a round trip."""

    ahead_s: float
    trip_s: float


async def clock(look: Look, name: str) -> Said:
    """Do the two servers' clocks agree?"""
    old, new = await asyncio.gather(clock_of(look.on("source")), clock_of(look.on("destination")))
    difference_s = abs(new.ahead_s - old.ahead_s)
    sure_s = (old.trip_s + new.trip_s) / 2
    allowed_s = look.profile.thresholds.clock_difference_s
    figure = f"{difference_s:.3f} s apart (± {sure_s:.3f} s)"
    evidence = f"{query('clock', 0).condensed}, the quickest of {CLOCK_READINGS} readings each"
    if difference_s <= allowed_s + sure_s:
        return Said(verdict="pass", figure=figure, evidence=evidence)
    return Said(
        verdict="warn",
        figure=f"{figure} > {allowed_s:g} s",
        says="Rows whose times come from the server would jump when the traffic moves.",
        evidence=evidence,
        todo="Have both machines follow the same time servers (chronyc tracking).",
    )


async def clock_of(session: Asks) -> Reading:
    """A server's clock, by the quickest of a few questions."""
    loop = asyncio.get_running_loop()
    readings = []
    for _ in range(CLOCK_READINGS):
        began_s, ours = loop.time(), datetime.now().astimezone()
        theirs: datetime = await session.value(query("clock", 0).text)
        trip_s = loop.time() - began_s
        readings.append(Reading((theirs - ours).total_seconds() - trip_s / 2, trip_s))
    return min(readings, key=lambda reading: reading.trip_s)


async def database(look: Look, side: str) -> Said:
    """Is the database that moves there?"""
    wanted, held = look.profile.database, look.sessions.get(side)
    if held is None or isinstance(held, NightferryError):
        async with look.opener(side, MAINTENANCE) as maintenance:
            answer = await ask(maintenance, "database_exists", wanted)
    else:
        answer = await ask(held, "database_exists", wanted)
    if answer.rows:
        figure = f"database {wanted} is there"
        return Said(verdict="pass", figure=figure, evidence=answer.evidence)
    return _no_database(look, side, answer)


def _no_database(look: Look, side: str, answer: Answer) -> Said:
    figure = f"no database {look.profile.database}"
    if side == "destination":
        return Said(
            verdict="note",
            figure=f"{figure} yet",
            says="It is made with the encoding and locale of the old one.",
            evidence=answer.evidence,
            remedy=remedy_id("database@{destination}", look),
        )
    todo = "Correct `databases` in the profile."
    return Said(verdict="stop", figure=figure, evidence=answer.evidence, todo=todo)


async def database_size(look: Look, side: str) -> Said:
    """How large is the database that moves?"""
    answer = await ask(look.on(side), "database_size")
    figure = f"{size(answer.first['bytes'])} in {look.profile.database}"
    return Said(verdict="pass", figure=figure, evidence=answer.evidence)


async def standby(look: Look, side: str) -> Said:
    """Is the server a primary?"""
    answer = await ask(look.on(side), "in_recovery")
    if not answer.first["in_recovery"]:
        return Said(verdict="pass", figure="a primary", evidence=answer.evidence)
    return Said(
        verdict="stop",
        figure="a standby, in recovery",
        says="Nothing can be written on it: no publication, no fence, no schema.",
        evidence=answer.evidence,
        todo="Name its primary in the profile." if side == "source" else "Promote it first.",
    )


async def same_cluster(look: Look, name: str) -> Said:
    """Are they two servers?"""
    old, new = await asyncio.gather(
        ask(look.on("source"), "system_identifier"),
        ask(look.on("destination"), "system_identifier"),
    )
    if old.rows[0]["system_identifier"] != new.rows[0]["system_identifier"]:
        evidence = f"{old.evidence}\n→ {new.rows[0]['system_identifier']}"
        return Said(verdict="pass", figure="two clusters", evidence=evidence)
    return Said(
        verdict="stop",
        figure=f"the same system identifier {old.rows[0]['system_identifier']}",
        says="Both are one and the same server, or one is a physical copy of the other.",
        evidence=old.evidence,
        todo="Correct the addresses in the profile, or make the destination with initdb.",
    )
