"""What is read out of the moves with and without the proposed settings."""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks.carried import Passage, Reading, largest
from benchmarks.full import Load
from benchmarks.tuning import (
    COLUMNS,
    DEFAULTS,
    IMPORTING,
    PROPOSED,
    VARIANTS,
    Run,
    compared,
    result,
    turn,
)


def a_run(variant: str, copy_s: float, settings: dict[str, str] | None = None) -> Run:
    passage = Passage(copy_s=copy_s, indexes_s=3.0, catch_up_s=1.0, lag_s=3.5)
    return Run(variant=variant, settings=settings or {}, passage=passage, writes_a_second=140.0)


def test_the_largest_lag_is_that_after_the_copy() -> None:
    readings = [Reading(1.0, 9.0), Reading(2.0, None), Reading(3.0, 0.4), Reading(4.0, 2.5)]
    assert largest(readings, 2.0) == 2.5
    assert largest(readings, 0.5) == 9.0
    assert largest([Reading(5.0, None)], 0.0) == 0.0


def test_each_variant_has_each_place_in_a_turn_equally_often() -> None:
    places = Counter((at, name) for number in range(6) for at, name in enumerate(turn(number)))
    assert set(places.values()) == {2} and len(places) == len(VARIANTS) ** 2


def test_gain_and_loss_are_said_by_the_medians_beside_the_spread() -> None:
    runs = [a_run(DEFAULTS, copy_s) for copy_s in (6.0, 4.0, 16.0)]
    runs += [a_run(PROPOSED, copy_s) for copy_s in (1.0, 3.5, 9.0)]
    runs += [a_run(IMPORTING, 8.0)]
    assert compared(runs) == [
        "As proposed: 25% less time in all than as initdb leaves it, by the medians.",
        "As proposed, with what is for the copy only: 20% more time in all than as initdb leaves"
        " it, by the medians.",
        "Without them one run takes up to 2.50 times as long as another.",
    ]


def test_the_table_has_a_row_for_each_and_names_what_was_set() -> None:
    lasting, lent = {"max_wal_size": "16GB"}, {"max_wal_size": "16GB", "autovacuum": "off"}
    told = result(
        [a_run(DEFAULTS, 6.0), a_run(PROPOSED, 5.0, lasting), a_run(IMPORTING, 4.0, lent)], Load()
    )
    assert [row[0] for row in told.rows] == list(VARIANTS)
    assert {len(row) for row in told.rows} == {len(COLUMNS)}
    assert told.rows[0][1:] == ["6.00", "3.00", "1.00", "3.50", "**10.0**", "10.0", "140"]
    assert "Proposed here: max_wal_size = 16GB." in told.notes
    assert "For the copy only: autovacuum = off." in told.notes


@pytest.mark.parametrize("tables", [1, 4])
def test_a_load_names_its_tables(tables: int) -> None:
    names = Load(tables=tables).names
    assert len(set(names)) == tables
