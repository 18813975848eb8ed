"""All benchmarks, one after the other; exit code 1 when one of them failed."""

from __future__ import annotations

from benchmarks import facts, probe, screens, start, ten_nights, tuning, tunnel, write_pause
from benchmarks.command import run

BENCHMARKS = (
    write_pause.BENCHMARK,
    start.BENCHMARK,
    screens.BENCHMARK,
    ten_nights.BENCHMARK,
    probe.BENCHMARK,
    tunnel.BENCHMARK,
    facts.BENCHMARK,
    tuning.BENCHMARK,
)


def main() -> int:
    """Every one is run, also after one that failed."""
    return max([run(benchmark, benchmark.runs) for benchmark in BENCHMARKS])


if __name__ == "__main__":
    raise SystemExit(main())
