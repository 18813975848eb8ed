"""The write pause as the client sees it: this sequence against two others, by turns in one run.

8 writers, 300 writes a second through PgBouncer on two real servers, every run on fresh ones; what
became of each write comes from the application's ledger, outside the databases.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median

import msgspec

from benchmarks.alternatives import CutOver, Pause, at_hand, common, naive
from benchmarks.command import Benchmark, main, progress
from benchmarks.followed import Following, following, rehearsal
from benchmarks.results import Aim, Result
from profiles.errors import EvidenceError
from profiles.events import StretchMoved
from profiles.fold import Night
from rehearsal.box import Box
from rehearsal.ledger import BEFORE_PAUSE_S, Entry, Verdict, write_pause_ms
from tui.unattended import WRITES_AFTER_S

PAUSE_AIM_MS = 25.0
TIMES_SHORTER_AIM = 10.0

OURS = "this sequence"
NAIVE = "waiting on confirmed_flush_lsn"
COMMON = "read-only, 1 s polling, PgBouncer restarted"
ALTERNATIVES: dict[str, CutOver] = {NAIVE: naive, COMMON: common}

STAGES = ("fenced", "drained", "sequences", "turned", "opened", "switched", "resumed")

COLUMNS = (
    "cutover",
    "runs",
    "longest wait of a write, ms: median (all)",
    "longest time without a write, ms: median",
    "writes",
    "failed",
    "in doubt",
    "lost",
    "duplicated",
)


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One cutover, by the ledger."""

    variant: str
    write_pause_ms: float
    """The longest wait of an acknowledged write around the pause: acknowledged minus due."""
    silence_ms: float
    """The longest time around the pause in which no write was acknowledged: refused ones too."""
    acknowledged: int
    failed: int
    in_doubt: int
    lost: int
    duplicated: int
    stages_ms: dict[str, float] = {}
    """How long after PAUSE was sent each stage was through; of our own sequence only."""


def measure(runs: int, nights: Path) -> Result:
    """So many runs of each, by turns. Raises whatever keeps one of them from running."""
    made = []
    for number in range(runs):
        for variant in (OURS, *ALTERNATIVES):
            run = asyncio.run(_run(variant))
            progress(f"{number + 1}/{runs} {variant}: {run.write_pause_ms:.1f} ms")
            made.append(run)
    return _result(made)


async def _run(variant: str) -> Run:
    async with rehearsal() as box:
        if variant == OURS:
            return await _ours(box)
        return await _alternative(variant, box)


async def _ours(box: Box) -> Run:
    """The real thing: the keys of the wizard, the engine and its armed stretch, to the end."""
    async with following(box) as night:
        moved = await night.walk.cut_over()
        await asyncio.sleep(WRITES_AFTER_S)
        await box.stop_application()
        await _settled(night)
    stretch = moved.stretch
    assert stretch is not None and stretch.paused_at and stretch.resumed_at
    pause = Pause(stretch.paused_at, stretch.resumed_at)
    return _told(OURS, box.ledger(), pause, await box.compare(), _stages(moved))


async def _settled(night: Following) -> None:
    left = (await night.walk.settle()).open_loose_ends()
    if left:
        said = ", ".join(end.loose_end.what for end in left)
        raise EvidenceError(night.profile.name, "settle every loose end", said)


async def _alternative(variant: str, box: Box) -> Run:
    async with following(box) as night:
        profile = night.profile
    async with at_hand(box, profile) as hand:
        pause = await ALTERNATIVES[variant](hand)
        await asyncio.sleep(WRITES_AFTER_S)
        await box.stop_application()
    return _told(variant, box.ledger(), pause, await box.compare(), {})


def _stages(night: Night) -> dict[str, float]:
    moves = [event for event in night.told if isinstance(event, StretchMoved)]
    return {move.state: move.paused_ms for move in moves if move.paused_ms is not None}


def _told(
    variant: str,
    entries: Sequence[Entry],
    pause: Pause,
    verdict: Verdict,
    stages_ms: dict[str, float],
) -> Run:
    waited_ms = write_pause_ms(entries, pause.began, pause.ended)
    if waited_ms is None:
        raise EvidenceError(variant, "read the ledger", "no write was acknowledged after the pause")
    return Run(
        variant=variant,
        write_pause_ms=waited_ms,
        silence_ms=longest_silence_ms(entries, pause),
        acknowledged=verdict.acknowledged,
        failed=verdict.failed,
        in_doubt=verdict.in_doubt,
        lost=verdict.lost,
        duplicated=verdict.duplicated,
        stages_ms=stages_ms,
    )


def longest_silence_ms(entries: Iterable[Entry], pause: Pause) -> float:
    """The longest time between two acknowledgements, over the same stretch as the pause."""
    begin = pause.began.timestamp() - BEFORE_PAUSE_S
    end = pause.ended.timestamp() + WRITES_AFTER_S
    acknowledged = sorted(
        entry.ended.at
        for entry in entries
        if entry.ended and entry.ending == "acknowledged" and begin <= entry.ended.at <= end
    )
    return max((b - a for a, b in pairwise(acknowledged)), default=end - begin) * 1000.0


def _result(runs: Sequence[Run]) -> Result:
    by_variant = {
        variant: [run for run in runs if run.variant == variant]
        for variant in (OURS, *ALTERNATIVES)
    }
    ours = by_variant[OURS]
    lost = sum(run.lost + run.duplicated for run in ours)
    return Result(
        name="write_pause",
        title="The write pause, as the client sees it",
        columns=COLUMNS,
        rows=[_row(variant, made) for variant, made in by_variant.items()],
        notes=[_where_it_goes(ours)],
        aims=_aims(ours, by_variant[NAIVE]),
        failures=[f"{lost} writes lost or duplicated by {OURS}"] if lost else [],
        runs=runs,
    )


def _row(variant: str, runs: Sequence[Run]) -> list[str]:
    waits = [run.write_pause_ms for run in runs]
    every = " ".join(f"{wait:.1f}" for wait in waits)
    counts = ("acknowledged", "failed", "in_doubt", "lost", "duplicated")
    return [
        variant,
        str(len(runs)),
        f"**{median(waits):.1f}** ({every})",
        f"{median(run.silence_ms for run in runs):.0f}",
        *[str(sum(getattr(run, name) for run in runs)) for name in counts],
    ]


def _aims(ours: Sequence[Run], naive: Sequence[Run]) -> list[Aim]:
    own_ms, other_ms = (median(run.write_pause_ms for run in runs) for runs in (ours, naive))
    times = other_ms / own_ms
    lost, failed = sum(run.lost for run in ours), sum(run.failed for run in ours)
    return [
        Aim(f"median ≤ {PAUSE_AIM_MS:g} ms", f"{own_ms:.1f} ms", own_ms <= PAUSE_AIM_MS),
        Aim(
            f"{TIMES_SHORTER_AIM:g} times shorter than {NAIVE}",
            f"{times:.1f} times",
            times >= TIMES_SHORTER_AIM,
        ),
        Aim("0 lost, 0 failed", f"{lost} lost, {failed} failed", not lost and not failed),
    ]


def _where_it_goes(ours: Sequence[Run]) -> str:
    """Our own sequence's stages, each with the median of when it was through."""
    reached = [
        f"{stage} {median(run.stages_ms[stage] for run in ours):.1f}"
        for stage in ("paused", *STAGES)
        if all(stage in run.stages_ms for run in ours)
    ]
    return (
        f"{OURS.capitalize()}, milliseconds after PAUSE was sent (medians): {', '.join(reached)}."
    )


BENCHMARK = Benchmark("write_pause", 5, measure)

if __name__ == "__main__":
    raise SystemExit(main(BENCHMARK))
