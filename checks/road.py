"""Phase Network test: the road between the two servers, measured from the destination's host.

Knows what is measured from where and who may share a measurement; what the figures mean is
`checks.network.verdicts`'. These checks run one after the other: a throughput measured beside a
probe would be the jitter it finds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from checks.check import Asks, Look, Said
from checks.figures import size
from checks.network import copying, measure, verdicts
from checks.network.found import Throughput, Timings
from checks.network.hops import Path, Reading, readings
from checks.network.verdicts import Limits
from checks.queries import ask
from checks.sizing import wal_rate
from connections.tls import is_loopback
from profiles.errors import HostError, NightferryError
from profiles.events import Probed, ProbedHop
from profiles.profile import LocalHost, Thresholds

PHASE = "network"
THROUGHPUT_S = 5.0
ON_ONE_MACHINE_S = 0.5
"""What memory carries is known sooner than what a road does."""
ROUND_TRIPS = 5


class Target(NamedTuple):
    """Where the destination reaches the source's database."""

    host: str
    port: int


def target_of(look: Look) -> Target:
    """The road's far end. Raises HostError where there is no road."""
    source = look.profile.source
    seen = source.seen_from_destination
    found = Target(seen.address, seen.port) if seen else Target(source.address, source.port)
    if found.host.startswith("/"):
        answered = "it is reached by a socket, which no road leads to"
        remedy = "Name its address in `seen_from_destination`."
        raise HostError(source.name, "measure the road to it", answered, remedy)
    return found


def limits(thresholds: Thresholds) -> Limits:
    """The profile's own limits; for what it has none, the usual ones."""
    return Limits(
        jitter_stop_ms=thresholds.jitter_ms,
        loss_warn_percent=thresholds.loss_warn_percent,
        loss_stop_percent=thresholds.loss_stop_percent,
        queries_a_page=thresholds.page_queries,
    )


# What the probe tells


async def reached(look: Look, name: str) -> Said:
    """Does the source's port answer the destination's host?"""
    return verdicts.reached(await _path(look))


async def addresses(look: Look, name: str) -> Said:
    """Do all addresses of the source's name answer?"""
    path = await _path(look)
    if path.answers:
        return verdicts.addresses(path)
    return Said(verdict="pass", figure=f"{path.host}: one address")


async def loss(look: Look, name: str) -> Said:
    """How much is lost all the way to the source?"""
    return verdicts.loss(await _path(look), limits(look.profile.thresholds))


async def jitter(look: Look, name: str) -> Said:
    """How much does the round trip to the source change?"""
    return verdicts.jitter(await _path(look), limits(look.profile.thresholds))


async def _path(look: Look) -> Path:
    path: Path = await _once(look, "path", lambda: _probed(look))
    return path


async def _probed(look: Look) -> Path:
    destination, target = look.profile.destination.name, target_of(look)
    path = await measure.probe(
        look.machine(destination),
        *target,
        cycles=look.profile.thresholds.network_cycles,
        changed=lambda path: look.tell(told(path, destination)),
    )
    look.tell(told(path, destination, final=True))
    return path


def told(path: Path, origin: str, *, final: bool = False) -> Probed:
    """The road as a window is told of it."""
    return Probed(
        phase=PHASE,
        origin=origin,
        target=f"{path.host}:{path.port}",
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


async def resolution(look: Look, name: str) -> Said:
    """How long does the destination's host take to look the source's name up?"""
    took_ms = (await _timings(look)).resolved_ms
    return verdicts.resolution(took_ms, target_of(look).host, limits(look.profile.thresholds))


async def resolvers(look: Look, name: str) -> Said:
    """Does each name server of the destination's host answer?"""
    return verdicts.resolvers(await _timings(look))


async def connecting(look: Look, name: str) -> Said:
    """How long does a new connection take, and TLS in it?"""
    return verdicts.connecting(await _timings(look))


async def _timings(look: Look) -> Timings:
    def timings() -> Awaitable[Timings]:
        return measure.timings(look.machine(look.profile.destination.name), *target_of(look))

    found: Timings = await _once(look, "timings", timings)
    return found


async def path_mtu(look: Look, name: str) -> Said:
    """How large may a packet be on the road?"""
    machine = look.machine(look.profile.destination.name)
    return verdicts.mtu(await measure.path_mtu(machine, target_of(look).host))


async def page(look: Look, name: str) -> Said:
    """What will a page cost after the move, seen from this machine?"""
    before_ms = await _round_trip_ms(look.on("source"))
    after_ms = await _round_trip_ms(look.on("destination"))
    said = verdicts.page(before_ms, after_ms, limits(look.profile.thresholds))
    old, new = look.profile.source.name, look.profile.destination.name
    says = f"Seen from this machine: {before_ms:.1f} ms to {old}, {after_ms:.1f} ms to {new}."
    return msgspec.structs.replace(said, says=f"{says} {said.says}".strip())


async def _round_trip_ms(session: Asks) -> float:
    """The quickest of some: what the server was busy with is no matter of the road."""
    loop, took_s = asyncio.get_running_loop(), []
    for _ in range(ROUND_TRIPS):
        began_s = loop.time()
        await session.value("SELECT 1")
        took_s.append(loop.time() - began_s)
    return min(took_s) * 1e3


# What the road carries


async def copy(look: Look, name: str) -> Said:
    """How long does the copy of this database take on this road, at this write rate?"""
    amount = (await ask(look.on("source"), "copy_amount")).first["table_bytes"]
    carried, rate = await asyncio.gather(_or_error(_throughput(look)), wal_rate(look, "source"))
    if isinstance(carried, NightferryError):
        figure = f"{size(amount)} to copy, {size(rate.bytes_a_second)}/s written: how long is open"
        says = f"The throughput of the road was not measured: {carried}"
        return Said(verdict="unknown", figure=figure, says=says, evidence=rate.evidence)
    load = copying.Load(to_copy=amount, throughput=carried.several, write_rate=rate.bytes_a_second)
    foreseen = copying.foreseen(load, datetime.now(UTC), look.profile.finish_by)
    said = verdicts.copy(foreseen)
    return msgspec.structs.replace(said, evidence=rate.evidence)


async def throughput(look: Look, name: str) -> Said:
    """What does the road carry, over one connection and over several?"""
    said = verdicts.parallel(await _throughput(look))
    if not _on_one_machine(look):
        return said
    says = f"Both servers stand on one machine: no network is between them. {said.says}"
    return msgspec.structs.replace(said, says=says)


async def _throughput(look: Look) -> Throughput:
    def measured() -> Awaitable[Throughput]:
        address, one_machine = target_of(look).host, _on_one_machine(look)
        return measure.throughput(
            look.machine(look.profile.source.name),
            look.machine(look.profile.destination.name),
            address,
            listen=address if is_loopback(address) else "0.0.0.0",
            seconds=ON_ONE_MACHINE_S if one_machine else THROUGHPUT_S,
        )

    found: Throughput = await _once(look, "throughput", measured)
    return found


def _on_one_machine(look: Look) -> bool:
    hosts = (look.profile.source.host, look.profile.destination.host)
    return all(isinstance(host, LocalHost) for host in hosts)


async def _once(look: Look, what: str, measured: Callable[[], Awaitable[Any]]) -> Any:
    """What was measured already, or is now; an error stands for the others too."""
    if what not in look.measured:
        look.measured[what] = await _or_error(_begun(measured))
    found = look.measured[what]
    if isinstance(found, NightferryError):
        raise found
    return found


async def _begun(measured: Callable[[], Awaitable[Any]]) -> Any:
    return await measured()


async def _or_error(measuring: Awaitable[Any]) -> Any:
    try:
        return await measuring
    except NightferryError as error:
        return error
