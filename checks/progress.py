"""How far the copy has come, table by table, with a denominator that does not pretend.

A table's copy reports no total (``bytes_total`` is 0 for table synchronisation), so it is held
against the rows the source believes the table has: an estimate, and shown as one.
"""

from __future__ import annotations

import msgspec

from checks.check import Asks
from checks.queries import ask
from profiles.names import PUBLICATION, SUBSCRIPTION

STATES = {
    "i": "waiting",
    "d": "copying",
    "f": "copied",
    "s": "copied",
    "r": "following",
}
"""``pg_subscription_rel.srsubstate`` in words (PostgreSQL manual, 52.55)."""


class TableProgress(msgspec.Struct, frozen=True, kw_only=True):
    """One table of the copy."""

    name: str
    """Quoted, with its schema."""
    state: str
    rows_copied: int
    rows_estimated: int | None
    """None when the source never analysed it."""
    bytes_estimated: int

    @property
    def copied(self) -> bool:
        """Whether its rows are all there."""
        return self.state in ("copied", "following")


class CopyProgress(msgspec.Struct, frozen=True, kw_only=True):
    """The whole copy."""

    tables: tuple[TableProgress, ...]

    @property
    def tables_copied(self) -> int:
        """How many tables are through."""
        return sum(table.copied for table in self.tables)

    @property
    def rows_copied(self) -> int:
        """Rows that have been carried; a table that is through counts as estimated."""
        return sum(table.rows_copied for table in self.tables)

    @property
    def rows_estimated(self) -> int | None:
        """Rows of all tables; None while one of them is unknown."""
        known = [table.rows_estimated for table in self.tables]
        return None if None in known else sum(rows for rows in known if rows is not None)

    @property
    def fraction(self) -> float | None:
        """Between 0 and 1, by size; of a table on its way its share of rows."""
        total = sum(table.bytes_estimated for table in self.tables)
        if not total:
            return None
        return min(sum(table.bytes_estimated * share(table) for table in self.tables) / total, 1.0)


def share(table: TableProgress) -> float:
    """How much of one table is there, between 0 and 1; 1 only when its copy has ended."""
    if table.copied:
        return 1.0
    if not table.rows_estimated:
        return 0.0
    return min(table.rows_copied / table.rows_estimated, 0.99)


async def read_progress(
    source: Asks,
    destination: Asks,
    *,
    publication: str = PUBLICATION,
    subscription: str = SUBSCRIPTION,
) -> CopyProgress:
    """Read once on both sides. Raises AnswerError, ServerLostError, DeadlineError."""
    sizes = {row["name"]: row for row in (await ask(source, "table_sizes", publication)).rows}
    states = await ask(destination, "table_states", subscription)
    tables = []
    for row in states.rows:
        size = sizes.get(row["name"])
        estimated = size["estimated_rows"] if size else None
        state = STATES[row["state"]]
        through = state in ("copied", "following")
        tables.append(
            TableProgress(
                name=row["name"],
                state=state,
                rows_copied=(estimated or row["rows_copied"]) if through else row["rows_copied"],
                rows_estimated=estimated,
                bytes_estimated=size["bytes"] if size else 0,
            )
        )
    return CopyProgress(tables=tuple(tables))
