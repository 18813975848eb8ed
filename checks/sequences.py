"""Sequences on both sides: their exact values, and whether the new server's are far enough."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from checks.check import Asks, Look, Row, Said
from checks.figures import number, several
from checks.queries import ask
from connections.quoting import quote_literal


class Value(NamedTuple):
    """What a sequence itself says; ``pg_sequences`` shows nothing of one that was never used."""

    last_value: int
    is_called: bool
    increment: int

    @property
    def next(self) -> int:
        """What nextval would answer."""
        return self.last_value + self.increment if self.is_called else self.last_value


def behind(new: Value, old: Value) -> bool:
    """Whether the new server would hand out something the old one has already."""
    return new.next < old.next if old.increment > 0 else new.next > old.next


async def read_values(session: Asks) -> dict[str, Value]:
    """The values of all sequences that move, by quoted name, in one statement."""
    rows = (await ask(session, "sequences")).rows
    if not rows:
        return {}
    increments = {str(row["name"]): int(row["increment"]) for row in rows}
    found = await session.rows(values_query(list(increments)))
    return {
        row["name"]: Value(row["last_value"], row["is_called"], increments[row["name"]])
        for row in found
    }


def values_query(quoted: Sequence[str]) -> str:
    """One statement that reads every sequence itself; the names come quoted."""
    return "\nUNION ALL ".join(
        f"SELECT {quote_literal(name)} AS name, last_value, is_called FROM {name}"
        for name in quoted
    )


async def before_the_pause(look: Look, name: str) -> Said:
    """Is every sequence there to be set?"""
    old, new = await _both(look)
    missing = [one for one in old if one not in new]
    if missing:
        return Said(
            verdict="stop",
            figure=f"not on the destination: {several(missing)}",
            says="They could not be set within the pause.",
            evidence=_evidence(old, new),
            todo="Carry the schema over again, or make them by hand.",
        )
    differ = [one for one in old if new[one][:2] != old[one][:2]]
    if not differ:
        figure = f"{number(len(old), 'sequence')}, none differs"
        return Said(verdict="pass", figure=figure, evidence=_evidence(old, new))
    return Said(
        verdict="note",
        figure=f"{len(differ)} of {number(len(old), 'sequence')} differ",
        says="As expected before the cutover: they are set within the pause.",
        evidence=_evidence(old, new),
    )


async def after_the_turn(look: Look, name: str) -> Said:
    """Is no sequence of the new server behind the old one's?"""
    old, new = await _both(look)
    late = [one for one in old if one not in new or behind(new[one], old[one])]
    if not late:
        figure = f"{number(len(old), 'sequence')}, none behind"
        return Said(verdict="pass", figure=figure, evidence=_evidence(old, new))
    return Said(
        verdict="stop",
        figure=f"behind the old server: {several(late)}",
        says="The new server would hand out numbers that are taken.",
        evidence=_evidence(old, new),
        todo="SELECT setval(…) on the new server to the old one's last_value or beyond.",
    )


async def ahead_of_columns(look: Look, side: str) -> Said:
    """Is every owned sequence past the largest value in its column?"""
    session = look.on(side)
    owned = [row for row in (await ask(session, "fact_sequences")).rows if row["owner_table"]]
    # The columns first: rows that come in meanwhile have taken their numbers before we look.
    steps = {row["name"]: int(row["increment"]) for row in (await ask(session, "sequences")).rows}
    largest = {row["quoted"]: await _outermost(session, row, steps[row["quoted"]]) for row in owned}
    values = await read_values(session)
    late = [
        f"{name} ({values[name].next}, taken up to {taken})"
        for name, taken in largest.items()
        if taken is not None and _taken(values[name], taken)
    ]
    figure = f"{number(len(owned), 'owned sequence')}, none behind its column"
    evidence = "SELECT max(column) FROM table, for each"
    if not late:
        return Said(verdict="pass", figure=figure, evidence=evidence)
    return Said(
        verdict="stop",
        figure=f"behind their columns: {several(late)}",
        says="The next insert would fail with a duplicate key.",
        evidence=evidence,
        todo="SELECT setval(…) beyond the largest value.",
    )


async def _outermost(session: Asks, row: Row, step: int) -> int | None:
    """The last number in use, in the direction in which the sequence counts."""
    extreme = "max" if step > 0 else "min"
    query = f"SELECT {extreme}({row['owner_column']}) FROM {row['owner_table']}"
    found = await session.value(query)
    return None if found is None else int(found)


def _taken(value: Value, largest: int) -> bool:
    return value.next <= largest if value.increment > 0 else value.next >= largest


async def _both(look: Look) -> tuple[dict[str, Value], dict[str, Value]]:
    return await asyncio.gather(read_values(look.on("source")), read_values(look.on("destination")))


def _evidence(old: Mapping[str, Value], new: Mapping[str, Value]) -> str:
    shown = [f"{one}: {old[one].last_value} and {_last(new.get(one))}" for one in list(old)[:6]]
    return "\n".join(["SELECT last_value, is_called FROM each sequence, on both sides", *shown])


def _last(value: Value | None) -> str:
    return "none" if value is None else str(value.last_value)
