"""Phase Network test: the roads hop by hop, and what comes before the first query.

Knows what is measured from where and who may share a measurement; what the figures mean is
`checks.network.verdicts`'. The probes run one after the other: two on one road would share the one
answer that many a router gives in a second.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from checks.check import HERE, Asks, Look, Said
from checks.network import measure, verdicts
from checks.network.found import Names
from checks.network.hops import Path, Reading, readings
from checks.network.verdicts import Asked, Limits
from checks.roads import Road, from_here, of_replication
from checks.sharing import once
from connections.tcp_info import TcpInfo
from profiles.errors import HostError
from profiles.events import Probed, ProbedHop
from profiles.findings import WORST_FIRST
from profiles.profile import Thresholds

PHASE = "network"
QUESTIONS = 50
ASKING_S = 5.0
"""Over a long road there are fewer questions."""


def limits(thresholds: Thresholds) -> Limits:
    """The profile's own limits; for what it has none, the usual ones."""
    return Limits(
        jitter_stop_ms=thresholds.jitter_ms,
        loss_warn_percent=thresholds.loss_warn_percent,
        loss_stop_percent=thresholds.loss_stop_percent,
        queries_a_page=thresholds.page_queries,
        clock_warn_s=thresholds.clock_difference_s,
    )


# What the probe of the replication's road tells


async def reached(look: Look, name: str) -> Said:
    """Does the port that replication goes to answer the destination's host?"""
    return verdicts.reached(await replications(look))


async def addresses(look: Look, name: str) -> Said:
    """Do all addresses of that name answer?"""
    path = await replications(look)
    if path.answers:
        return verdicts.addresses(path)
    return Said(verdict="pass", figure=f"{path.host}: one address")


async def loss(look: Look, name: str) -> Said:
    """How much is lost all the way to the source?"""
    return verdicts.loss(await replications(look), limits(look.profile.thresholds))


async def jitter(look: Look, name: str) -> Said:
    """How much does the round trip to the source change?"""
    return verdicts.jitter(await replications(look), limits(look.profile.thresholds))


async def replications(look: Look) -> Path:
    """The road that replication takes, probed once in a look. Raises NightferryError."""
    path: Path = await once(look, "path", lambda: probed(look, of_replication(look.profile)))
    return path


# What the operator's own roads tell


async def roads_from_here(look: Look, name: str) -> Said:
    """What are the roads of the wizard's own sessions like?"""
    look.machine(HERE)  # raises where nothing can be probed from here
    roads = await from_here(look.profile)
    if not roads:
        figure = "no further road leads from this machine"
        return Said(verdict="pass", figure=figure, says="The servers are here, or it was probed.")
    bounds, all_said = limits(look.profile.thresholds), []
    for road in roads:
        path = await probed(look, road)
        all_said.append(verdicts.from_here(path, road.leads_to, bounds))
    return Said(
        verdict=min((said.verdict for said in all_said), key=WORST_FIRST.index),
        figure="; ".join(said.figure for said in all_said),
        says=" ".join(dict.fromkeys(said.says for said in all_said if said.says)),
    )


async def session(look: Look, side: str) -> Said:
    """What does the kernel here know of the road below the wizard's own session?"""
    its_session, server = look.on(side), look.server(side)
    if server.address.startswith("/") and not server.by_tunnel:
        return Said(verdict="pass", figure="by a socket on this machine: no road")
    asked, before, after = await _asked(its_session)
    said = verdicts.session(asked, before, after, limits(look.profile.thresholds))
    if before is None or not server.by_tunnel:
        return said
    evidence = f"{said.evidence}, of the SSH connection that carries the session"
    return Said(verdict=said.verdict, figure=said.figure, says=said.says, evidence=evidence)


class _Answered(NamedTuple):
    asked: Asked
    before: TcpInfo | None
    after: TcpInfo | None


async def _asked(session: Asks) -> _Answered:
    """Some questions, one after the other, and what the kernel knew before them and after."""
    loop, took_s, before = asyncio.get_running_loop(), list[float](), session.road()
    until_s = loop.time() + ASKING_S
    while len(took_s) < QUESTIONS and loop.time() < until_s:
        began_s = loop.time()
        await session.value("SELECT 1")
        took_s.append(loop.time() - began_s)
    return _Answered(Asked(len(took_s), min(took_s) * 1e3), before, session.road())


# Probing, and telling the windows


async def probed(look: Look, road: Road) -> Path:
    """Probe a road, telling the windows of it. Raises NightferryError."""
    path = await measure.probe(
        look.machine(road.machine),
        road.host,
        road.port,
        cycles=look.profile.thresholds.network_cycles,
        without_target=road.ends_at_sshd,
        changed=lambda path: look.tell(told(path, road)),
    )
    look.tell(told(path, road, final=True))
    return path


def told(path: Path, road: Road, *, final: bool = False) -> Probed:
    """The road as a window is told of it."""
    return Probed(
        phase=PHASE,
        origin=road.origin,
        target=road.target,
        leads_to=road.leads_to,
        mode=path.mode,
        cycle=path.cycle,
        cycles=path.cycles,
        hops=tuple(_told_hop(path, reading) for reading in readings(path.hops)),
        final=final,
    )


def _told_hop(path: Path, reading: Reading) -> ProbedHop:
    hop = reading.hop
    return ProbedHop(
        ttl=hop.ttl,
        mode="" if hop.mode == path.mode else hop.mode,
        address=hop.address,
        name=path.names.get(hop.address or ""),
        loss_percent=round(hop.loss_percent, 2),
        sent=hop.sent,
        last_ms=hop.last_ms,
        avg_ms=hop.avg_ms,
        best_ms=hop.best_ms,
        worst_ms=hop.worst_ms,
        stdev_ms=hop.stdev_ms,
        jitter_ms=hop.jitter_ms,
        standing=reading.standing,
        target=hop.target,
    )


# What comes before the first query


async def resolution(look: Look, side: str) -> Said:
    """How long does each host take to look the other server's name up?"""
    took_ms = (await _names(look, side)).resolved_ms
    return verdicts.resolution(took_ms, _looked_up(look, side), limits(look.profile.thresholds))


async def resolvers(look: Look, side: str) -> Said:
    """Does each name server of each host answer?"""
    return verdicts.resolvers(await _names(look, side))


async def _names(look: Look, side: str) -> Names:
    machine, wanted = look.machine(look.server(side).name), _looked_up(look, side)
    found: Names = await once(look, f"names on the {side}", lambda: measure.names(machine, wanted))
    return found


def _looked_up(look: Look, side: str) -> str:
    """The name that one side knows the other by. Raises HostError where that is a socket."""
    if side == "destination":
        return of_replication(look.profile).host
    there = look.profile.destination
    if there.address.startswith("/"):
        answered = "the profile has no address of it, only a socket"
        raise HostError(there.name, "have its name looked up", answered)
    return there.address


async def connecting(look: Look, name: str) -> Said:
    """How long does a new connection take, and TLS in it?"""
    road = of_replication(look.profile)
    machine, tls = look.machine(road.machine), not road.ends_at_sshd
    found = await measure.timings(machine, road.host, road.port, tls=tls)
    return verdicts.connecting(found, tls=tls)


async def path_mtu(look: Look, name: str) -> Said:
    """How large may a packet be on the road?"""
    road = of_replication(look.profile)
    return verdicts.mtu(await measure.path_mtu(look.machine(road.machine), road.host))
