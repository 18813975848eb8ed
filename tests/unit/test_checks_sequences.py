"""Sequences against their columns, while the application goes on inserting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from checks.check import Look
from tests.fix_looks import A_PROFILE, MadeUpSession, finding

ORDERS = "public.orders_id_seq"


class BusySession(MadeUpSession):
    """Every look at the table or the sequence finds one more row than the look before."""

    def __init__(self) -> None:
        super().__init__({}, server="new")
        self.inserted = 100

    async def rows(
        self, sql: str, *args: object, deadline_s: float = 10.0
    ) -> Sequence[Mapping[str, Any]]:
        if "seqincrement" in sql:
            return [{"name": ORDERS, "increment": 1}]
        if "owner_table" in sql:
            owned = {"owner_table": "public.orders", "owner_column": "id"}
            return [{"schema": "public", "name": "orders_id_seq", "quoted": ORDERS, **owned}]
        self.inserted += 1
        if "max(" in sql:
            return [{"max": self.inserted}]
        return [{"name": ORDERS, "last_value": self.inserted, "is_called": True}]


async def test_rows_that_come_in_between_two_looks_are_no_stop() -> None:
    look = Look(A_PROFILE, sessions={"source": MadeUpSession({}), "destination": BusySession()})
    assert (await finding(look, "pg.sequences_ahead")).verdict == "pass"
