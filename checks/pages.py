"""Phase Network test: what a page of the application costs before the move and after it.

Knows from which hosts that is measured: those of the poolers and applications, as far as the
profile names any; else this machine, and it says so.
"""

from __future__ import annotations

import asyncio

import msgspec

from checks.check import Asks, Look, Said
from checks.figures import several
from checks.ini import pool_line
from checks.network import measure, verdicts
from checks.network.found import Trip
from checks.road import limits
from checks.roads import bracketed
from checks.sharing import or_error
from profiles.errors import NightferryError
from profiles.findings import WORST_FIRST
from profiles.profile import ConnectionFile, PgBouncer

ROUND_TRIPS = 5

Place = tuple[str, int]


async def page(look: Look, name: str) -> Said:
    """What will a page cost after the move, seen from where its queries come from?"""
    clients = [one for one in look.profile.endpoints if isinstance(one, PgBouncer | ConnectionFile)]
    hosted = [one for one in clients if one.host is not None]
    if not hosted:
        return await _from_here(look)
    found = [await or_error(_from(look, one)) for one in hosted]
    said = [_unknown(one) if isinstance(one, NightferryError) else one for one in found]
    worst = min(said, key=lambda one: WORST_FIRST.index(one.verdict))
    says = " ".join(one.says for one in said if one.says)
    if unseen := [one.name for one in clients if one.host is None]:
        says += f" Not seen from {several(unseen)}: the profile names no host of it."
    return msgspec.structs.replace(worst, says=says)


async def _from(look: Look, endpoint: PgBouncer | ConnectionFile) -> Said:
    """From the host of one endpoint. Raises NightferryError."""
    machine, there = look.machine(endpoint.name), look.profile.destination
    old, new = await _old(look, endpoint), (there.address, there.port)
    remote = [place for place in (old, new) if not place[0].startswith("/")]
    trips = {(trip.host, trip.port): trip for trip in await measure.trips(machine, remote)}
    before_ms, after_ms = (_took_ms(machine.name, place, trips) for place in (old, new))
    return _said(look, endpoint.name, before_ms, after_ms)


async def _old(look: Look, endpoint: PgBouncer | ConnectionFile) -> Place:
    """The old server as the endpoint sees it: a pooler by its own file, where that can be read."""
    source = look.profile.source
    usual = (source.address, source.port)
    if not isinstance(endpoint, PgBouncer):
        return usual
    ini = await or_error(look.machine(endpoint.name).read(endpoint.config))
    line = None if isinstance(ini, NightferryError) else pool_line(ini, endpoint.database)
    if line is None or line.host is None:
        return usual
    port = line.port or "5432"
    return line.host.partition(",")[0], int(port) if port.isdigit() else source.port


def _took_ms(where: str, place: Place, trips: dict[Place, Trip]) -> float:
    """Nothing for a socket, which no road leads to. Raises NightferryError where none is open."""
    if place[0].startswith("/"):
        return 0.0
    trip = trips[place]
    if trip.took_ms is None:
        tried = f"connect to {bracketed(place[0])}:{place[1]}"
        raise NightferryError(where, tried, trip.why, "Clients have to come there after the move.")
    return trip.took_ms


async def _from_here(look: Look) -> Said:
    before_ms, after_ms = (
        await _round_trip_ms(look.on("source")),
        await _round_trip_ms(look.on("destination")),
    )
    said = _said(look, "this machine", before_ms, after_ms)
    says = f"{said.says} The profile names no host of a pooler or an application to measure from."
    return msgspec.structs.replace(said, says=says)


def _said(look: Look, where: str, before_ms: float, after_ms: float) -> Said:
    said = verdicts.page(before_ms, after_ms, limits(look.profile.thresholds))
    old, new = look.profile.source.name, look.profile.destination.name
    seen = f"Seen from {where}: {before_ms:.1f} ms to {old}, {after_ms:.1f} ms to {new}."
    return msgspec.structs.replace(said, says=f"{seen} {said.says}".strip())


def _unknown(error: NightferryError) -> Said:
    return Said(verdict="unknown", figure=f"not measured: {error.answered}", says=str(error))


async def _round_trip_ms(session: Asks) -> float:
    """The quickest of some: what the server was busy with is no matter of the road."""
    loop, took_s = asyncio.get_running_loop(), []
    for _ in range(ROUND_TRIPS):
        began_s = loop.time()
        await session.value("SELECT 1")
        took_s.append(loop.time() - began_s)
    return min(took_s) * 1e3
