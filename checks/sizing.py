"""Phase Route: what logical replication would cost for this database, and what else there is."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from checks import lsn
from checks.check import Look, Said
from checks.figures import number, size
from checks.queries import ask
from checks.servers import NEWEST_MAJOR, OLDEST_MAJOR, dotted


async def logical_possible(look: Look, name: str) -> Said:
    """Can logical replication carry this database at all?"""
    old, new = look.on("source"), look.on("destination")
    amount, objects = await ask(old, "copy_amount"), await ask(old, "large_objects")
    figure = f"{dotted(old.version_num)} to {dotted(new.version_num)}, " + number(
        amount.first["tables"], "table"
    )
    why_not = []
    if old.version_num // 10000 < OLDEST_MAJOR:
        why_not.append(f"the source is older than {OLDEST_MAJOR}")
    if new.version_num // 10000 < old.version_num // 10000:
        why_not.append("the destination is older than the source")
    if objects.first["large_objects"]:
        why_not.append("large objects are not replicated")
    evidence = f"{amount.evidence}\n{objects.evidence}"
    if why_not:
        says = f"Not possible: {'; '.join(why_not)}."
        return Said(verdict="stop", figure=figure, says=says, evidence=evidence)
    says = f"Possible; made and tried for 16 to {NEWEST_MAJOR}."
    return Said(verdict="pass", figure=figure, says=says, evidence=evidence)


async def physical(look: Look, name: str) -> Said:
    """What would physical replication need?"""
    old, new = look.on("source").version_num // 10000, look.on("destination").version_num // 10000
    same = f"both are {old}" if old == new else f"{old} and {new} differ"
    return Said(
        verdict="note",
        figure=f"physical replication: not in this version; needs the same major: {same}",
        says="It would also need the same CPU architecture, C library and locales on both hosts, "
        "and an empty data directory; it moves every database of the server.",
    )


async def copy_amount(look: Look, side: str) -> Said:
    """How much has to be copied?"""
    answer = await ask(look.on(side), "copy_amount")
    row = answer.first
    figure = f"{size(row['table_bytes'])} in {number(row['tables'], 'table')}"
    says = f"About {row['estimated_rows']:,} rows; {size(row['index_bytes'])} of indexes are built "
    says += "on the destination."
    return Said(verdict="pass", figure=figure, says=says, evidence=answer.evidence)


async def write_rate(look: Look, side: str) -> Said:
    """How much write-ahead log does the source write in a second?"""
    rate = await wal_rate(look, side)
    return Said(
        verdict="pass",
        figure=f"{size(rate.bytes_a_second)}/s of write-ahead log",
        says=f"Measured over {rate.took_s:.1f} s. So much has to travel and be applied all night.",
        evidence=rate.evidence,
    )


class WalRate(NamedTuple):
    """How fast a server's write-ahead log grew, and for how long that was watched."""

    bytes_a_second: float
    took_s: float
    evidence: str


async def wal_rate(look: Look, side: str) -> WalRate:
    """Watch the write-ahead log grow for as long as the profile says."""
    session, loop = look.on(side), asyncio.get_running_loop()
    window_s = look.profile.thresholds.write_rate_window_s
    before, began_s = await ask(session, "wal_position"), loop.time()
    await asyncio.sleep(window_s)
    after, took_s = await ask(session, "wal_position"), loop.time() - began_s
    grown = lsn.bytes_between(before.first["lsn"], after.first["lsn"])
    evidence = f"{before.evidence}\n→ lsn = {after.first['lsn']}, {took_s:.1f} s later"
    return WalRate(grown / took_s, took_s, evidence)


async def way_back(look: Look, name: str) -> Said:
    """Is there a way back after the switch?"""
    return Said(
        verdict="note",
        figure="way back: not in this version",
        says="Before the turn everything is undone by itself; after it the old server keeps what "
        "it had at the turn, and nothing newer.",
    )
