"""What the benchmark of the screens makes of its measurements."""

from __future__ import annotations

from itertools import count

from benchmarks.meter import READ_BEFORE, before, reading
from benchmarks.screens import Live, Screens, aims, in_turns, result
from profiles.events import Sampled


def seen(**changed: object) -> Screens:
    measured: dict[str, object] = {
        "paint_s": [0.30, 0.29, 0.31],
        "empty_s": [0.20, 0.21, 0.22],
        "help_s": [0.05],
        "click_s": [0.04],
        "live": [
            Live(size=(120, 40), whole_bytes=60_000, update_bytes=[1400, 1500], processor=0.012),
            Live(size=(80, 24), whole_bytes=30_000, update_bytes=[900, 950], processor=0.011),
        ],
        "key_s": [0.010] * 99 + [0.200],
        "empty_key_s": [0.005] * 100,
        "load": (0.5, 0.9),
    }
    return Screens(**{**measured, **changed})  # type: ignore[arg-type]


def test_both_are_measured_in_turns_and_the_first_of_each_is_thrown_away() -> None:
    clock = count()
    one, other = in_turns(3, lambda: float(next(clock)), lambda: float(next(clock)))
    assert (one, other) == ([2.0, 4.0, 6.0], [3.0, 5.0, 7.0])


def test_the_aims_are_of_medians_and_of_the_hundredth_slowest_key() -> None:
    told = aims(seen())
    assert [aim.met for aim in told] == [True, True, True, True, True, False]
    assert told[0].measured == "1.43 ×"
    assert told[-1].measured.endswith("(empty: 5 ms)")
    assert not aims(seen(paint_s=[0.5]))[0].met


def test_what_is_kept_has_a_line_for_each_and_says_how_loaded_the_machine_was() -> None:
    kept = result(seen())
    assert len(kept.rows) == 10
    assert kept.rows[4] == ["an update of the lag meter at 120×40", "2", "1450 bytes", "1500 bytes"]
    assert "0.5 before and 0.9 after" in kept.notes[0]


def test_every_reading_of_the_night_without_servers_differs_from_the_one_before() -> None:
    assert sum(isinstance(event, Sampled) for event in before()) == READ_BEFORE
    pairs = [(reading(number), reading(number + 1)) for number in range(50)]
    assert all(one.behind_bytes != other.behind_bytes for one, other in pairs)
