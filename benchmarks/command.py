"""What every benchmark shares as a command: its arguments, its own place for nights, its end.

A benchmark is told how many runs to make and returns its result; exit code 1 says that it failed.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import end_all
from benchmarks.results import Result, keep
from profiles.errors import NightferryError

NIGHTFERRY = Path(sys.executable).with_name("nightferry")
"""The command as it is installed beside this interpreter."""


@dataclass(frozen=True)
class Benchmark:
    """``measure`` takes the number of runs and the folder below which its nights are kept."""

    name: str
    runs: int
    measure: Callable[[int, Path], Result]


def main(benchmark: Benchmark, argv: Sequence[str] | None = None) -> int:
    """Run one benchmark by its command line; the exit code."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{benchmark.name}")
    parser.add_argument("--runs", type=int, default=benchmark.runs, help="default: %(default)s")
    runs: int = parser.parse_args(argv).runs
    return run(benchmark, max(runs, 1))


def run(benchmark: Benchmark, runs: int) -> int:
    """Measure, keep and print; 1 when something failed or could not be measured."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was started is taken down
    try:
        with own_nights() as nights:
            result = benchmark.measure(runs, nights)
        print(keep(result), flush=True)
    except NightferryError as error:
        print(f"{benchmark.name}: {error}", file=sys.stderr)
        return 1
    return 1 if result.failures else 0


@contextmanager
def own_nights() -> Iterator[Path]:
    """A state folder that is not the operator's, gone afterwards with whoever still uses it."""
    with tempfile.TemporaryDirectory(prefix="nightferry-bench-") as folder:
        before = os.environ.get("XDG_STATE_HOME")
        os.environ["XDG_STATE_HOME"] = folder
        try:
            yield Path(folder)
        finally:
            end_all([Path(folder)])
            if before is None:
                del os.environ["XDG_STATE_HOME"]
            else:
                os.environ["XDG_STATE_HOME"] = before


def progress(text: str) -> None:
    """One line for who waits; results go to standard output, this does not."""
    print(text, file=sys.stderr, flush=True)
