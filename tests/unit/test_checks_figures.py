"""Positions in the log, forecasts and figures: pure arithmetic, by properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks import lsn
from checks.figures import duration, number, several, size
from checks.forecast import CAUGHT_UP_BYTES, MIN_SAMPLES, Point, forecast

POSITIONS = st.integers(0, lsn.HIGHEST)
POINTS = st.lists(
    st.builds(
        Point,
        st.floats(0, 1e6),
        st.integers(0, 2**50),
        st.none() | st.floats(0, 1e10),
        st.none() | st.floats(0, 1e10),
    ),
    max_size=60,
).map(lambda points: sorted(points, key=lambda point: point.at_s))


@given(POSITIONS)
def test_a_position_is_read_as_it_is_written(position: int) -> None:
    assert lsn.parse(lsn.written(position)) == position


@given(POSITIONS, POSITIONS)
def test_distance_is_the_difference_of_the_positions(one: int, other: int) -> None:
    here, there = lsn.written(one), lsn.written(other)
    assert lsn.bytes_between(here, there) == other - one
    assert lsn.bytes_between(there, here) == -lsn.bytes_between(here, there)


def test_positions_are_as_the_server_writes_them() -> None:
    assert lsn.parse("16/B374D848") == 0x16_B374D848
    assert lsn.written(0x16_B374D848) == "16/B374D848"
    assert lsn.written(0) == "0/0"


@pytest.mark.parametrize("text", ["", "16", "16/", "/16", "G/0", "123456789/0", " 0/0", "-1/0"])
def test_what_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an LSN"):
        lsn.parse(text)


@pytest.mark.parametrize("position", [-1, lsn.HIGHEST + 1])
def test_a_position_outside_the_log_is_refused(position: int) -> None:
    with pytest.raises(ValueError, match="no position"):
        lsn.written(position)


@given(POINTS)
def test_a_forecast_is_never_negative_and_never_without_readings(points: list[Point]) -> None:
    said = forecast(points)
    assert said.caught_up_in_s is None or said.caught_up_in_s >= 0
    if len(points) < MIN_SAMPLES:
        assert said.caught_up_in_s is None
        assert not said.enough


@given(
    st.integers(MIN_SAMPLES, 30),
    st.floats(1e3, 1e9),
    st.floats(0, 1e9),
    st.integers(2**30, 2**45),
)
def test_falling_behind_is_never_caught_up_and_apply_is_the_limit(
    count: int, growing: float, written: float, behind: int
) -> None:
    points = [Point(float(at), behind + int(growing * at), written) for at in range(count)]
    said = forecast(points)
    assert said.caught_up_in_s is None
    assert said.limit == "apply"


@given(st.integers(MIN_SAMPLES, 30), st.integers(10**4, 10**8), st.integers(10**4, 10**6))
def test_a_steady_approach_is_foretold_to_the_second(count: int, closing: int, left_s: int) -> None:
    behind_at_end = closing * left_s
    points = [
        Point(float(at), behind_at_end + closing * (count - 1 - at), 0.0) for at in range(count)
    ]
    said = forecast(points)
    assert said.caught_up_in_s == pytest.approx(left_s, rel=1e-3)
    assert said.limit == "none"


def test_new_writes_are_the_limit_when_they_are_most_of_the_work() -> None:
    points = [Point(float(at), 10**9 - at * 10**6, 5e7, 5.1e7) for at in range(10)]
    assert forecast(points).limit == "write"


def test_a_little_behind_is_caught_up() -> None:
    points = [Point(float(at), CAUGHT_UP_BYTES) for at in range(MIN_SAMPLES)]
    assert forecast(points).caught_up_in_s == 0.0


def test_only_the_newest_readings_count() -> None:
    old = [Point(float(at), at * 10**9) for at in range(50)]
    new = [Point(50.0 + at, 10**9 - at * 10**7) for at in range(30)]
    assert forecast([*old, *new]).caught_up_in_s == pytest.approx(71, rel=0.01)


@pytest.mark.parametrize(
    ("bytes_", "written"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_600, "1.0 MB"), (48_200_000, "48 MB")],
)
def test_sizes(bytes_: int, written: str) -> None:
    assert size(bytes_) == written


@given(st.floats(0, 1e18))
def test_a_size_is_short_and_has_a_unit(bytes_: float) -> None:
    figure, unit = size(bytes_).split()
    assert unit in ("B", "kB", "MB", "GB", "TB", "PB")
    assert len(figure) <= 4


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0.42, "0.4 s"), (59, "59 s"), (720, "12 min"), (12000, "3 h 20 min"), (7200, "2 h")],
)
def test_durations(seconds: float, written: str) -> None:
    assert duration(seconds) == written


def test_counts_and_lists() -> None:
    assert number(0, "table") == "no table"
    assert number(1, "query") == "1 query"
    assert number(3, "query") == "3 queries"
    assert number(2, "session of others") == "2 sessions of others"
    assert several(["a", "b"]) == "a, b"
    assert several(list("abcdefg")) == "a, b, c, d, e and 2 more"
