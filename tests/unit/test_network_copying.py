"""The sentence that matters: how long, when caught up, last start, or never and what then."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from checks.network.copying import (
    Load,
    foreseen,
    sentence,
    throughput_needed,
    write_rate_needed,
)

NOW = datetime(2026, 3, 1, 22, 0, tzinfo=UTC)
GB, MB = 1e9, 1e6

rates = st.floats(1e3, 1e10)
loads = st.builds(
    Load,
    to_copy=st.floats(0, 1e13),
    throughput=rates,
    write_rate=st.floats(0, 1e10),
    apply_rate=st.none() | rates,
)
within = st.floats(60, 1e6)


def hours(count: float) -> datetime:
    return NOW + timedelta(hours=count)


@given(loads, within)
def test_what_is_begun_at_the_last_start_is_caught_up_just_in_time(
    load: Load, within_s: float
) -> None:
    finish_by = NOW + timedelta(seconds=within_s)
    found = foreseen(load, NOW, finish_by)
    assume(found.last_start is not None)
    assert found.last_start is not None
    again = foreseen(load, found.last_start, finish_by)
    assert again.total_s is not None and again.left_s is not None
    assert again.total_s == pytest.approx(again.left_s, abs=1e-3)
    assert found.in_time == (found.last_start >= NOW) or math.isclose(
        found.total_s or 0, within_s, abs_tol=1e-3
    )


@given(loads)
def test_it_catches_up_if_and_only_if_more_is_worked_off_than_written(load: Load) -> None:
    found = foreseen(load, NOW)
    if load.catching_up <= 0:
        assert found.total_s is None and found.caught_up_at is None and not found.in_time
    elif found.total_s is not None:
        assert found.copy_s is not None and found.total_s >= found.copy_s
        assert found.in_time


@given(loads, st.floats(1, 100))
def test_a_faster_road_is_never_later(load: Load, times: float) -> None:
    faster = Load(
        to_copy=load.to_copy,
        throughput=load.throughput * times,
        write_rate=load.write_rate,
        apply_rate=load.apply_rate,
    )
    before, after = foreseen(load, NOW).total_s, foreseen(faster, NOW).total_s
    assert before is None or (after is not None and after <= before * (1 + 1e-9))


@given(loads, within)
def test_the_road_that_is_asked_for_is_just_enough(load: Load, within_s: float) -> None:
    assume(load.to_copy > 1e3)
    needed = throughput_needed(load, within_s)
    if needed is None:
        assert load.apply_rate is not None and load.apply_rate <= load.write_rate + 1e-6
        return
    assume(needed - load.write_rate > needed * 1e-6)
    assume(load.apply_rate is None or load.apply_rate - load.write_rate > load.apply_rate * 1e-6)
    with_it = Load(
        to_copy=load.to_copy,
        throughput=needed,
        write_rate=load.write_rate,
        apply_rate=load.apply_rate,
    )
    assert foreseen(with_it, NOW).total_s == pytest.approx(within_s, rel=1e-3)


@given(loads, within)
def test_the_quiet_that_is_asked_for_is_just_enough(load: Load, within_s: float) -> None:
    quiet = write_rate_needed(load, within_s)
    if quiet is None:
        assert load.to_copy / load.throughput > within_s
        return
    assume(load.to_copy > 1e3 and load.worked_off - quiet > load.worked_off * 1e-6)
    with_it = Load(
        to_copy=load.to_copy,
        throughput=load.throughput,
        write_rate=quiet,
        apply_rate=load.apply_rate,
    )
    total_s = foreseen(with_it, NOW).total_s
    assert total_s == pytest.approx(within_s, rel=1e-3)


@given(loads, st.none() | within)
def test_there_is_always_a_sentence(load: Load, within_s: float | None) -> None:
    finish_by = None if within_s is None else NOW + timedelta(seconds=within_s)
    said = sentence(foreseen(load, NOW, finish_by))
    assert said.startswith("The copy of ") and said.endswith(".")
    assert "inf" not in said and "nan" not in said and "None" not in said


def test_in_time() -> None:
    load = Load(to_copy=360 * GB, throughput=100 * MB, write_rate=20 * MB)
    said = sentence(foreseen(load, NOW, hours(7)))
    assert said == (
        "The copy of 360 GB takes 60 min at 100 MB/s and has caught up at 2026-03-01 23:15 UTC, "
        "after 75 min. The last sensible start is at 2026-03-02 03:45 UTC."
    )


def test_too_late_and_what_would_help() -> None:
    load = Load(to_copy=360 * GB, throughput=100 * MB, write_rate=20 * MB)
    said = sentence(foreseen(load, NOW, hours(1.125)))
    assert said == (
        "The copy of 360 GB takes 60 min at 100 MB/s and has caught up at 2026-03-01 23:15 UTC, "
        "after 75 min, 8 min too late; it had to start at 2026-03-01 21:52 UTC. In time it would "
        "be with a road of 109 MB/s or a source that writes no more than 11 MB/s."
    )


def test_never_for_the_road_or_for_the_destination() -> None:
    road = Load(to_copy=360 * GB, throughput=100 * MB, write_rate=120 * MB)
    assert sentence(foreseen(road, NOW)) == (
        "The copy of 360 GB takes 60 min at 100 MB/s, but it never catches up: 120 MB/s is written "
        "and only 100 MB/s is worked off. The road would have to manage more than 120 MB/s, or the "
        "source write less than 100 MB/s."
    )
    disk = Load(to_copy=360 * GB, throughput=100 * MB, write_rate=20 * MB, apply_rate=15 * MB)
    assert "Applying on the destination would have to" in sentence(foreseen(disk, NOW))


def test_a_road_that_carries_nothing() -> None:
    load = Load(to_copy=GB, throughput=0, write_rate=0)
    assert sentence(foreseen(load, NOW)) == "The copy of 1.0 GB does not end: 0 B/s arrives."


def test_the_time_is_over() -> None:
    load = Load(to_copy=GB, throughput=MB, write_rate=0)
    assert sentence(foreseen(load, NOW, hours(-1))).endswith("It can only be finished later.")
