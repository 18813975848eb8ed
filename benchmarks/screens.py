"""What the screens cost: until the first one stands, on the line while the lag meter runs, a key.

The first paint is held against an empty program of the same library and the command's help against
loading its library of commands, in turns; the bytes of an update against those of a whole screen.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from statistics import median, quantiles

import msgspec

from benchmarks.command import NIGHTFERRY, Benchmark, main, progress
from benchmarks.empty import WORD
from benchmarks.meter import READ_EVERY_S
from benchmarks.processes import processor_s
from benchmarks.results import Aim, Result
from benchmarks.terminal import Terminal

PAINT_AIM = HELP_AIM = 1.5
UPDATE_AIM_BYTES = 2048
PROCESSOR_AIM = 0.03
KEY_AIM_MS = 50.0
SIZES = ((120, 40), (80, 24))
UPDATES = 20
KEYS = 120
SEEN_S = 60.0
SETTLES_S = 2.0
DRAWN = "pg 16.14"
METER = "retained WAL"
UNITS = ("In seconds", "In bytes")
"""What the footer offers to switch to: the answer to the key that switches."""
BETWEEN_KEYS_S = (0.02, 0.1)
Times = list[float]
COLUMNS = ("what", "times", "median", "worst")


class Live(msgspec.Struct, frozen=True, kw_only=True):
    """The lag meter for some seconds, a reading a second, in a terminal of that size."""

    size: tuple[int, int]
    whole_bytes: int
    """What it took to lay out and paint everything anew, once."""
    update_bytes: list[int]
    """Each second's."""
    processor: float
    """Of one core: 0.01 is one percent."""


class Screens(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was measured."""

    paint_s: list[float]
    empty_s: list[float]
    help_s: list[float]
    click_s: list[float]
    live: list[Live]
    key_s: list[float]
    empty_key_s: list[float]
    load: tuple[float, float]
    """Of the machine over a minute, before and after."""


def measure(runs: int, nights: Path) -> Result:
    """So many starts each; the rest once. Raises what keeps one from running."""
    load = os.getloadavg()[0]
    with _night() as name:
        watch: list[str | Path] = [NIGHTFERRY, "watch", name]
        empty: list[str | Path] = [sys.executable, "-m", "benchmarks.empty"]
        paint_s, empty_s = in_turns(runs, lambda: _paint(watch, DRAWN), lambda: _paint(empty, WORD))
        progress(f"first paint {median(paint_s):.2f} s, empty {median(empty_s):.2f} s")
        help_s, click_s = in_turns(
            2 * runs,
            lambda: _ran([NIGHTFERRY, "--help"]),
            lambda: _ran([sys.executable, "-c", "import click"]),
        )
        live = [_live(watch, size) for size in SIZES]
        key_s, empty_key_s = _keys(watch, empty)
    return result(
        Screens(
            paint_s=paint_s,
            empty_s=empty_s,
            help_s=help_s,
            click_s=click_s,
            live=live,
            key_s=key_s,
            empty_key_s=empty_key_s,
            load=(load, os.getloadavg()[0]),
        )
    )


@contextmanager
def _night() -> Iterator[str]:
    """The name of a night whose lag meter runs."""
    argv = [sys.executable, "-m", "benchmarks.meter"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as engine:
        try:
            assert engine.stdout is not None
            yield engine.stdout.readline().strip()
        finally:
            engine.kill()


def in_turns(
    runs: int, one: Callable[[], float], other: Callable[[], float]
) -> tuple[list[float], list[float]]:
    """Both so often, in turns: what the machine does meanwhile befalls both; the first is thrown
    away, it fills the caches.
    """
    pairs = [(one(), other()) for _ in range(runs + 1)][1:]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def _paint(argv: Sequence[str | Path], shows: str) -> float:
    began = time.monotonic()
    with Terminal(argv) as terminal:
        return terminal.see(shows, SEEN_S) - began


def _ran(argv: Sequence[str | Path]) -> float:
    began = time.monotonic()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


@contextmanager
def _meter(watch: Sequence[str | Path], size: tuple[int, int]) -> Iterator[Terminal]:
    """The lag meter in a terminal of that size, come to rest."""
    with Terminal(watch, size) as terminal:
        terminal.see(DRAWN, SEEN_S)
        terminal.press("8")
        terminal.see(METER, SEEN_S)
        terminal.watch(SETTLES_S)
        yield terminal


def _live(watch: Sequence[str | Path], size: tuple[int, int]) -> Live:
    with _meter(watch, size) as terminal:
        used_s, update_bytes = processor_s(terminal.pid), []
        for _ in range(UPDATES):
            before = terminal.read_bytes
            terminal.watch(READ_EVERY_S)
            update_bytes.append(terminal.read_bytes - before)
        used_s = processor_s(terminal.pid) - used_s
        return Live(
            size=size,
            whole_bytes=_whole(terminal, size),
            update_bytes=update_bytes,
            processor=used_s / (UPDATES * READ_EVERY_S),
        )


def _whole(terminal: Terminal, size: tuple[int, int]) -> int:
    """The bytes that another size takes, with everything laid out and painted anew."""
    before = terminal.read_bytes
    terminal.resize((size[0], size[1] - 1))
    terminal.watch(READ_EVERY_S)
    return terminal.read_bytes - before


def _keys(watch: Sequence[str | Path], empty: Sequence[str | Path]) -> tuple[Times, Times]:
    """From a key to its answer, in the lag meter and in the empty program; seconds."""
    with _meter(watch, SIZES[0]) as terminal, Terminal(empty, SIZES[0]) as other:
        other.see(WORD, SEEN_S)
        presses = count(1)

        def one() -> float:
            number = next(presses)
            terminal.watch(random.uniform(*BETWEEN_KEYS_S))
            return _answered(terminal, UNITS[number % 2])

        counted = count(1)
        return in_turns(KEYS, one, lambda: _answered(other, rf" {next(counted)} keys"))


def _answered(terminal: Terminal, shows: str) -> float:
    began = time.monotonic()
    terminal.press("u")
    return terminal.see(shows, SEEN_S) - began


def result(seen: Screens) -> Result:
    """What is kept of it."""
    lines = [
        _line("first paint of the wizard", seen.paint_s, "s"),
        _line("first paint of an empty program", seen.empty_s, "s"),
        _line("`nightferry --help`", seen.help_s, "s"),
        _line('`python -c "import click"`', seen.click_s, "s"),
    ]
    for live in seen.live:
        at = "×".join(map(str, live.size))
        lines.append(_line(f"an update of the lag meter at {at}", live.update_bytes, "bytes"))
        lines.append(
            _line(f"painting all anew after a change of size at {at}", [live.whole_bytes], "bytes")
        )
    lines.append(_line("a key to its answer, while the lag meter runs", seen.key_s, "s"))
    lines.append(_line("a key to its answer, in the empty program", seen.empty_key_s, "s"))
    return Result(
        name="screens",
        title="What the screens cost: the first paint, the line, a key",
        columns=COLUMNS,
        rows=lines,
        notes=[
            "A reading a second, every figure of it another, and a graph that is full. The load"
            f" of the machine over a minute was {seen.load[0]:.1f} before and {seen.load[1]:.1f}"
            " after; what is held against another was measured in turns with it."
        ],
        aims=aims(seen),
        runs=[seen],
    )


def _line(what: str, figures: Sequence[float], unit: str) -> list[str]:
    digits = 3 if unit == "s" else 0
    middle, worst = median(figures), max(figures)
    return [what, str(len(figures)), f"{middle:.{digits}f} {unit}", f"{worst:.{digits}f} {unit}"]


def aims(seen: Screens) -> list[Aim]:
    """What was hoped for, and whether it is so."""
    paint = median(seen.paint_s) / median(seen.empty_s)
    helped = median(seen.help_s) / median(seen.click_s)
    key_ms, empty_ms = (quantiles(each, n=100)[98] * 1e3 for each in (seen.key_s, seen.empty_key_s))
    processor = max(live.processor for live in seen.live)
    updates = [(live.size, median(live.update_bytes)) for live in seen.live]
    return [
        Aim(f"first paint ≤ {PAINT_AIM:g} × empty", f"{paint:.2f} ×", paint <= PAINT_AIM),
        Aim(f"--help ≤ {HELP_AIM:g} × import click", f"{helped:.2f} ×", helped <= HELP_AIM),
        *[
            Aim(
                f"an update at {wide}×{high} ≤ 2 KiB", f"{size:.0f} bytes", size <= UPDATE_AIM_BYTES
            )
            for (wide, high), size in updates
        ],
        Aim(
            f"window ≤ {PROCESSOR_AIM:.0%} of a core at 1 Hz",
            f"{processor:.1%}",
            processor <= PROCESSOR_AIM,
        ),
        Aim(
            f"99 % of the keys answered in {KEY_AIM_MS:g} ms",
            f"{key_ms:.0f} ms (empty: {empty_ms:.0f} ms)",
            key_ms <= KEY_AIM_MS,
        ),
    ]


BENCHMARK = Benchmark("screens", 9, measure)

if __name__ == "__main__":
    raise SystemExit(main(BENCHMARK))
