"""Tries one server of a profile that is still being entered: its host, a session, what it says.

Knows how a server is reached and which checks speak of one alone; nothing on it is changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import NamedTuple

import msgspec

from checks.catalogue import SERVERS
from checks.check import Asks, Look
from checks.runner import run_checks
from checks.servers import MAINTENANCE, clock_of, dotted
from connections.hosts import Hosts
from connections.passwords import Passwords
from connections.postgres import Session
from connections.sessions import Sessions
from engine.looking import Opener
from profiles.errors import NightferryError, RefusedError
from profiles.events import ServerSeen, Side
from profiles.findings import Finding, Verdict
from profiles.load import wrong_in_server
from profiles.profile import Profile, Server
from profiles.requests import TryServer

PHASE = "servers"
DEADLINE_S = 40.0
"""For everything; what is opened has deadlines of its own."""
ALONE = [check for check in SERVERS if "both" not in check.sides]
"""What can be said of a server while there is no other yet."""


class Answers(NamedTuple):
    """What was found of a server."""

    findings: tuple[Finding, ...]
    seen: ServerSeen | None = None
    refused: NightferryError | None = None
    """Why nobody got in: it may be for want of a secret, or of a key that is known."""


def alone(request: TryServer) -> Profile:
    """A profile in which this server stands on both sides. Raises RefusedError."""
    wrong = wrong_in_server(request.server)
    if wrong:
        said = "; ".join(f"{problem.path[-1]}: {problem.says}" for problem in wrong)
        raise RefusedError(request.side, "try it", said, "Enter all of it first.")
    server = msgspec.convert(request.server, Server)
    moving = [request.database or MAINTENANCE]
    return Profile(name=server.name, databases=moving, source=server, destination=server)


async def tried(profile: Profile, side: Side, passwords: Passwords) -> Answers:
    """What there is to say of the server, within a deadline; errors are findings, too."""
    hosts = Hosts(profile, passwords)
    opener = Opener(Sessions(profile, passwords, hosts))
    try:
        async with asyncio.timeout(DEADLINE_S):
            host = await _host(profile.source, hosts)
            if isinstance(host, NightferryError):
                return Answers((_stop(profile.source, "host.reached", host),), refused=host)
            found = [] if host is None else [host]
            async with _session(opener, side) as session:
                return await _asked(profile, side, opener, session, found)
    except TimeoutError:
        figure = f"no answer within {DEADLINE_S:g} s"
        return Answers((_found(profile.source, "pg.reachable", "unknown", figure),))
    finally:
        await hosts.close()


async def _host(server: Server, hosts: Hosts) -> Finding | NightferryError | None:
    """The host first: where a tunnel leads through it, the session would say less."""
    if not hosts.is_far(server.name):
        return None
    try:
        await hosts.link(server.name).open()
    except NightferryError as error:
        return error
    return _found(server, "host.reached", "pass", "its host lets us in over SSH")


@asynccontextmanager
async def _session(opener: Opener, side: Side) -> AsyncIterator[Session | NightferryError]:
    try:
        session = await opener.usual(side)
    except NightferryError as error:
        yield error
        return
    try:
        yield session
    finally:
        await session.close()


async def _asked(
    profile: Profile,
    side: Side,
    opener: Opener,
    session: Session | NightferryError,
    found: list[Finding],
) -> Answers:
    server = profile.source
    if isinstance(session, NightferryError):
        stop = _stop(server, "pg.reachable", session)
        return Answers((*found, stop), refused=session)
    look = Look(profile, {side: session}, opener=opener.opened)
    checks = [replace(check, sides=(side,)) for check in ALONE if side in check.sides]
    found += [finding async for finding in run_checks(checks, look)]
    found.append(await _clock(profile, session))
    return Answers(tuple(found), await _seen(profile, session))


async def _clock(profile: Profile, session: Asks) -> Finding:
    """How far its clock is from ours; both servers' are compared once both are entered."""
    server, allowed_s = profile.source, profile.thresholds.clock_difference_s
    try:
        ahead_s, trip_s = await clock_of(session)
    except NightferryError as error:
        return _found(server, "clock", "unknown", f"clock not read: {error.answered}")
    way = "ahead of" if ahead_s >= 0 else "behind"
    figure = f"clock {abs(ahead_s):.3f} s {way} this machine's (± {trip_s / 2:.3f} s)"
    return _found(server, "clock", "pass" if abs(ahead_s) <= allowed_s + trip_s else "note", figure)


async def _seen(profile: Profile, session: Session) -> ServerSeen:
    size = await session.value("SELECT pg_database_size(current_database())")
    return ServerSeen(
        server=profile.source.name,
        version=dotted(session.version_num),
        version_num=session.version_num,
        size_bytes=size if session.database == profile.database else 0,
    )


def _stop(server: Server, check: str, error: NightferryError) -> Finding:
    what = "host not reached" if check == "host.reached" else "no session"
    return Finding(
        check=check,
        phase=PHASE,
        verdict="stop",
        figure=f"{what}: {error.answered}",
        says=str(error),
        todo=error.remedy,
        server=server.name,
    )


def _found(server: Server, check: str, verdict: Verdict, figure: str) -> Finding:
    name = server.name
    return Finding(check=check, phase=PHASE, verdict=verdict, figure=figure, server=name)
