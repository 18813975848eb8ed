"""Phase Host tuning: what the settings of both hosts and servers should be, and who gets in.

Knows where the inputs of the proposals come from; the rules are `checks.proposals`'. Where an input
could not be had, what depends on it is not proposed, and that is said.
"""

from __future__ import annotations

import msgspec

from checks import machine
from checks.check import Look, Said, remedy_id
from checks.host.applying import can_apply
from checks.network import measure
from checks.proposals import kernel, postgresql, settings
from checks.proposals.disk import disk_test
from checks.proposals.firewall import can_be_let_in, door, listening
from checks.proposals.kernel import Road
from checks.proposals.made import Proposals
from checks.queries import ask
from checks.roads import of_replication
from profiles.errors import NightferryError
from profiles.events import THIS_MACHINE
from profiles.findings import Finding
from profiles.fold import Night
from profiles.machine import HostSeen
from profiles.names import SCHEMA

PHASE = "tuning"
REHEARSED = "kernel: a rehearsal's hosts are this machine, which it leaves alone"


async def proposed(look: Look, night: Night) -> Proposals:
    """Everything that is proposed for both sides, in the order in which it is set.

    What the wizard has set stays, with the value that was there before.
    """
    old, new = await _seen(look, "source"), await _seen(look, "destination")
    made = _kernel(look, night, old, new)
    try:
        made += await _postgresql(look, night, old, new)
    except NightferryError as error:
        made += Proposals(skipped=(f"PostgreSQL's settings: {error}",))
    ours = {id_: proposal for id_, proposal in night.proposals.items() if id_ in night.ours}
    listed = {one.id: one for one in made.made} | ours
    return Proposals(tuple(listed.values()), made.skipped)


async def _seen(look: Look, side: str) -> HostSeen | None:
    try:
        return await machine.seen(look, side)
    except NightferryError:
        return None  # the checks of that host say it


def _kernel(look: Look, night: Night, old: HostSeen | None, new: HostSeen | None) -> Proposals:
    if look.profile.rehearsal:
        return Proposals(skipped=(REHEARSED,))
    road = road_of(night)
    missing = Proposals(
        skipped=tuple(
            f"kernel of {server.name}'s host: it could not be looked at"
            for server, seen in ((look.profile.source, old), (look.profile.destination, new))
            if seen is None
        )
    )
    made = kernel.kernel(new, road) if new else Proposals()
    sending = kernel.kernel(old, road, only_sending=True) if old else Proposals()
    return made + sending + missing


async def _postgresql(
    look: Look, night: Night, old: HostSeen | None, new: HostSeen | None
) -> Proposals:
    source, destination = look.on("source"), look.on("destination")
    before = await settings.read(source, postgresql.NAMES)
    now = await settings.read(destination, postgresql.NAMES)
    retained = (await ask(source, "retained")).first["bytes"]
    made = postgresql.postgresql(
        destination.server,
        new,
        now,
        before,
        rebuildable=not night.moved and await _rebuildable(look),
    )
    made += postgresql.postgresql_source(source.server, old, before, retained)
    pages = now.get("shared_memory_size_in_huge_pages")
    if new is None or pages is None or look.profile.rehearsal:
        return made
    return made + kernel.huge_pages(new, pages.number)


async def _rebuildable(look: Look) -> bool:
    asked = (look.profile.database, SCHEMA)
    answer = (await ask(look.on("destination"), "rebuildable", *asked)).first
    return bool(answer["alone"] and (answer["ours"] or answer["bare"]))


def road_of(night: Night) -> Road | None:
    """The road that the copy takes, as the Network test measured it; None where it has not."""
    carried = [
        found.figures["throughput_bytes_s"]
        for found in night.findings.values()
        if "throughput_bytes_s" in found.figures
    ]
    took = [
        hop.avg_ms
        for road in night.roads.values()
        if road.origin != THIS_MACHINE  # those carry the wizard's sessions, and no copy
        for hop in road.hops
        if hop.target and hop.avg_ms
    ]
    return Road(carried[0], took[0]) if carried and took else None


async def who_reaches(look: Look, side: str) -> Said:
    """Does the destination reach the source's port, and who else may?"""
    road = of_replication(look.profile)
    (trip,) = await measure.trips(look.machine(road.machine), [(road.host, road.port)])
    every = (await ask(look.on(side), "admits_all")).first["every_address"]
    seen = await machine.seen(look, side)
    said = door(seen, road.port, reached=trip.took_ms is not None, admits_all=every)
    if said.verdict != "stop" or not can_be_let_in(seen, listening(seen, road.port)):
        return said
    return msgspec.structs.replace(said, remedy=remedy_id("firewall@{server}", look, side))


def disk_finding(night: Night, destination: str) -> Finding | None:
    """What the write test means for the source's commits; None before it was run."""
    commands = night.state_of(f"disk-test@{destination}").commands
    measured = disk_test(commands[-1].answer) if commands and commands[-1].ok else None
    if measured is None:
        return None
    rates = [
        found.figures["commits_a_second"]
        for found in night.findings.values()
        if "commits_a_second" in found.figures
    ]
    if rates:
        said = can_apply(measured.fsync_ms, rates[0])
    else:
        figure = f"a flush takes {measured.fsync_ms:.2f} ms"
        says = "How much the source commits is not known."
        said = Said(verdict="unknown", figure=figure, says=says)
    return said.of("host.disk_test", PHASE, server=destination)
