"""Row counts while writes go on: right when the destination's lies between two of the source.

Exact equality cannot be had under load. A table too large to be counted in its time is left out,
and the finding then says ``unknown`` with how many were.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from checks.check import Asks, Look, Said
from checks.figures import duration, number, several
from checks.queries import ask
from profiles.errors import DeadlineError

TABLE_S = 30.0
"""How long one count of one table may take."""
ALL_S = 240.0
"""How long all counts together may take; tables come smallest first."""
WAITS_S = (0.0, 0.3, 1.0, 2.0)
"""How long a count of the destination waits for what is on its way, one try after the other."""


class Counted(NamedTuple):
    """The counts of one table: the source's extremes, and the destination's last."""

    name: str
    lowest: int
    highest: int
    destination: int

    @property
    def right(self) -> bool:
        """Whether the destination's count is one the source had meanwhile."""
        return self.lowest <= self.destination <= self.highest


async def counts(look: Look, name: str) -> Said:
    """Are as many rows on the destination as on the source?"""
    old, new = look.on("source"), look.on("destination")
    tables = [str(row["name"]) for row in (await ask(old, "published_tables")).rows]
    counted, left_out = await count_all(old, new, tables)
    return judged(counted, left_out)


async def count_all(old: Asks, new: Asks, tables: Sequence[str]) -> tuple[list[Counted], list[str]]:
    """The counts of these tables (quoted names), and those there was no time for."""
    loop = asyncio.get_running_loop()
    until_s, counted, left_out = loop.time() + ALL_S, list[Counted](), list[str]()
    for table in tables:
        if loop.time() > until_s:
            left_out.append(table)
            continue
        try:
            counted.append(await count_table(old, new, table))
        except DeadlineError:
            left_out.append(table)
    return counted, left_out


async def count_table(old: Asks, new: Asks, table: str) -> Counted:
    """Count a table on both sides until it is right, or it was tried often enough."""
    query = f"SELECT count(*) FROM {table}"
    first = int(await old.value(query, deadline_s=TABLE_S))
    counted = Counted(table, first, first, -1)
    for wait_s in WAITS_S:
        await asyncio.sleep(wait_s)
        there = int(await new.value(query, deadline_s=TABLE_S))
        here = int(await old.value(query, deadline_s=TABLE_S))
        counted = Counted(table, min(counted.lowest, here), max(counted.highest, here), there)
        if counted.right:
            break
    return counted


def judged(counted: Sequence[Counted], left_out: Sequence[str]) -> Said:
    """The verdict on the counts."""
    evidence = "\n".join(
        ["SELECT count(*) FROM each table: source, destination, source", *map(_shown, counted[-6:])]
    )
    wrong = [one for one in counted if not one.right]
    if wrong:
        return Said(
            verdict="stop",
            figure=f"{len(wrong)} differ: {several([_shown(one) for one in wrong])}",
            says="Rows are missing on the destination, or too many; that does not mend itself.",
            evidence=evidence,
            todo="Copy those tables again, and find out what else writes on the destination.",
        )
    if left_out:
        return Said(
            verdict="unknown",
            figure=f"{len(counted)} of {len(counted) + len(left_out)} tables counted and right",
            says=f"A count took longer than {duration(TABLE_S)}: {several(left_out)}.",
            evidence=evidence,
            todo="Count them by hand, or go by replication alone.",
        )
    rows = sum(one.destination for one in counted)
    figure = f"{rows:,} rows in {number(len(counted), 'table')}, all there"
    return Said(verdict="pass", figure=figure, evidence=evidence)


def _shown(one: Counted) -> str:
    here = f"{one.lowest}" if one.lowest == one.highest else f"{one.lowest} to {one.highest}"
    return f"{one.name}: {here} here, {one.destination} there"
