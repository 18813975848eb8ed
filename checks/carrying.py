"""Phase Network test: what the road carries, how far its windows reach, and what the copy takes.

Knows what is measured from where; what is shown as measured was measured on the road it names.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import msgspec

from checks.check import Look, Said, remedy_id
from checks.figures import size
from checks.network import copying, measure, verdicts
from checks.network.found import Clock, Throughput, Window
from checks.queries import ask
from checks.road import limits, replications
from checks.roads import of_replication, on_one_machine
from checks.servers import clock_of
from checks.sharing import once, or_error
from checks.sizing import wal_rate
from connections.tls import is_loopback
from connections.unit import SLOWER_THAN_ZLIB_BYTES_S
from profiles.errors import NightferryError

THROUGHPUT_S = 5.0
ON_ONE_MACHINE_S = 0.5
"""What memory carries is known sooner than what a road does."""
SSH_WINDOW_BYTES = 2 << 20
"""Of one channel of OpenSSH (its channels.h, CHAN_TCP_WINDOW_DEFAULT)."""
RECEIVING_SHARE = 0.5
"""The rest of ``tcp_rmem`` is the kernel's own for the packets (tcp(7), tcp_adv_win_scale)."""


async def copy(look: Look, name: str) -> Said:
    """How long does the copy of this database take on this road, at this write rate?"""
    amount = (await ask(look.on("source"), "copy_amount")).first["table_bytes"]
    carried, rate = await asyncio.gather(or_error(_throughput(look)), wal_rate(look, "source"))
    if isinstance(carried, NightferryError):
        figure = f"{size(amount)} to copy, {size(rate.bytes_a_second)}/s written: how long is open"
        says = f"The throughput of the road was not measured: {carried}"
        return Said(verdict="unknown", figure=figure, says=says, evidence=rate.evidence)
    load = copying.Load(to_copy=amount, throughput=carried.several, write_rate=rate.bytes_a_second)
    foreseen = copying.foreseen(load, datetime.now(UTC), look.profile.finish_by)
    said = verdicts.copy(foreseen)
    says = f"{said.says} {_not_through_ssh(look)}".strip()
    figures = {"to_copy_bytes": load.to_copy, "throughput_bytes_s": load.throughput}
    return msgspec.structs.replace(said, says=says, evidence=rate.evidence, figures=figures)


async def throughput(look: Look, name: str) -> Said:
    """What does the road carry, over one connection and over several?"""
    found = await _throughput(look)
    said = verdicts.parallel(found)
    if look.profile.source.replication_tunnel is not None:
        return _before_the_tunnel(look, said, found)
    if on_one_machine(look.profile):
        says = f"Both servers stand on one machine: no network is between them. {said.says}"
        return msgspec.structs.replace(said, says=says)
    return said


def _before_the_tunnel(look: Look, said: Said, found: Throughput) -> Said:
    """Measured beside the way that the copy will take; and whether that should be made smaller."""
    says = f"{said.says} {_not_through_ssh(look)}"
    said = msgspec.structs.replace(said, figure=f"directly, {said.figure}", says=says)
    if not 0 < found.several < SLOWER_THAN_ZLIB_BYTES_S:
        return said
    slower = f"The road is slower than a compressor ({size(SLOWER_THAN_ZLIB_BYTES_S)}/s)."
    return msgspec.structs.replace(
        said,
        verdict="note" if said.verdict == "pass" else said.verdict,
        says=f"{says} {slower}",
        todo="Have the tunnel compress what it carries.",
        remedy=remedy_id("tunnel@{destination}", look),
        wants="Compression yes",
    )


def _not_through_ssh(look: Look) -> str:
    if look.profile.source.replication_tunnel is None:
        return ""
    return (
        "The copy goes through SSH, which carries that at most; its own figure is not measured: "
        "the tunnel lets nothing through but the database."
    )


async def _throughput(look: Look) -> Throughput:
    async def measured() -> Throughput:
        profile = look.profile
        address = of_replication(profile).host
        return await measure.throughput(
            look.machine(profile.source.name),
            look.machine(profile.destination.name),
            address,
            listen=address if is_loopback(address) else "::",
            seconds=ON_ONE_MACHINE_S if on_one_machine(profile) else THROUGHPUT_S,
        )

    found: Throughput = await once(look, "throughput", measured)
    return found


# The window against the distance


async def window(look: Look, name: str) -> Said:
    """How much does one connection carry over this distance, by its windows?"""
    if on_one_machine(look.profile):
        return Said(verdict="pass", figure="both servers on one machine: no distance")
    round_trip_ms = await _round_trip_ms(look)
    carried = await or_error(_throughput(look))
    rate = None if isinstance(carried, NightferryError) else carried.several
    sending = await or_error(_kernels(look, look.profile.source.name, "net.ipv4.tcp_wmem", 1.0))
    receiving = await or_error(
        _kernels(look, look.profile.destination.name, "net.ipv4.tcp_rmem", RECEIVING_SHARE)
    )
    windows = [one for one in (sending, receiving) if isinstance(one, Window)]
    if not windows:
        raise receiving
    if look.profile.source.replication_tunnel is not None:
        where = look.profile.destination.name
        windows.append(
            Window(bytes=SSH_WINDOW_BYTES, what="an SSH channel", where=where, setting=False)
        )
    unknown = [str(one) for one in (sending, receiving) if isinstance(one, NightferryError)]
    return verdicts.window(rate, round_trip_ms, windows, unknown)


async def _kernels(look: Look, name: str, setting: str, share: float) -> Window:
    most = (await measure.buffers(look.machine(name)))[setting]
    return Window(bytes=most * share, what=setting, where=name, share=share)


async def _round_trip_ms(look: Look) -> float:
    """By the probe; where that has not reached the target, by a connection. Raises HostError."""
    path = await or_error(replications(look))
    target = None if isinstance(path, NightferryError) else path.target
    if target is not None and target.avg_ms is not None:
        return float(target.avg_ms)
    road = of_replication(look.profile)
    (trip,) = await measure.trips(look.machine(road.machine), [(road.host, road.port)])
    if trip.took_ms is None:
        raise NightferryError(road.origin, f"measure the round trip to {road.target}", trip.why)
    return trip.took_ms


# Two clocks


async def clocks(look: Look, name: str) -> Said:
    """How far are the two hosts' clocks apart, give or take what?"""
    most_s = limits(look.profile.thresholds).clock_warn_s
    carried = await or_error(_throughput(look))
    if isinstance(carried, Throughput):
        return verdicts.clocks(carried.clock, most_s, "from host to host")
    (old, how), (new, new_how) = await asyncio.gather(
        _clock_of(look, "source"), _clock_of(look, "destination")
    )
    between = Clock(old.ahead_s - new.ahead_s, old.within_s + new.within_s)
    ways = how if how == new_how else f"{how} of the source, {new_how} of the destination"
    return verdicts.clocks(between, most_s, f"{ways}, from here")


async def _clock_of(look: Look, side: str) -> tuple[Clock, str]:
    """A host's clock against ours; the server's own where its host is not reached."""
    try:
        return await measure.clock(look.machine(look.server(side).name)), "by the hosts' clocks"
    except NightferryError:
        reading = await clock_of(look.on(side))
        return Clock(reading.ahead_s, reading.trip_s / 2), "by SQL"
