"""A rate from counts, and the aims from rates."""

from __future__ import annotations

import pytest

from benchmarks.bulk import Count, rate
from benchmarks.tunnel import LONG, OURS, SEVERAL, SHORT, SSH, SSH_SAME, Run, aims


def test_a_rate_leaves_out_the_warm_up_and_needs_two_counts() -> None:
    counts = [Count(0.5, 900), Count(1.0, 1000), Count(2.0, 1500), Count(3.0, 3000)]
    assert rate(counts, 1.0) == pytest.approx(1000)
    assert rate(counts, 2.5) == 0
    assert rate([], 0) == 0


def test_the_aims_compare_medians_way_by_way() -> None:
    def runs(road: str, tunnel: str, connections: int, down: float, up: float) -> list[Run]:
        return [
            Run(
                road=road,
                tunnel=tunnel,
                connections=connections,
                way=way,
                megabytes_a_second=factor * megabytes,
            )
            for way, megabytes in (("down", down), ("up", up))
            for factor in (0.1, 1, 1)
        ]

    measured = aims(
        [
            *runs(SHORT.name, OURS, 1, 500, 500),
            *runs(SHORT.name, SSH, 1, 400, 600),
            *runs(SHORT.name, SSH_SAME, 1, 800, 700),
            *runs(LONG.name, OURS, SEVERAL, 60, 40),
            *runs(LONG.name, SSH, 1, 20, 22),
        ]
    )
    assert [(aim.measured, aim.met) for aim in measured] == [
        ("1.25", True),
        ("0.62", False),
        ("3.00 times", True),
        ("0.83", True),
        ("0.71", False),
        ("1.82 times", False),
    ]
