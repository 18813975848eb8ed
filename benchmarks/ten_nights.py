"""Whole nights in a row by ``nightferry rehearse --unattended --json``; nothing is left of any."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import msgspec

from benchmarks.command import NIGHTFERRY, Benchmark, main, progress
from benchmarks.processes import left
from benchmarks.results import Result
from profiles import load
from profiles.errors import HostError
from profiles.nights import nights as nights_on_disk
from profiles.profile import ConnectionFile, PgBouncer, Profile
from rehearsal.processes import THIS_MACHINE
from tui.unattended import Outcome

NIGHT_DEADLINE_S = 900.0
END_DEADLINE_S = 180.0
PATIENCE_S = 1.0
"""A process that is just ending is not one that was left."""
COLUMNS = ("night", "traffic", "writes", "lost", "duplicated", "failed", "pause, ms", "left over")


class Night(msgspec.Struct, frozen=True, kw_only=True):
    """One night: what it said of itself, and what it left."""

    code: int
    outcome: Outcome
    processes: Sequence[str]
    folders: Sequence[str]

    @property
    def faults(self) -> list[str]:
        """Everything that must not be."""
        told = self.outcome
        counted = {"lost": told.lost, "duplicated": told.duplicated, "failed": told.failed}
        said = [f"{count} {name}" for name, count in counted.items() if count]
        said += [f"exit code {self.code}"] if self.code else []
        said += [f"loose end: {end}" for end in told.loose_ends]
        return said + [f"left: {each}" for each in (*self.processes, *self.folders)]


def measure(runs: int, nights: Path) -> Result:
    """So many nights, one after the other. Raises HostError when one says nothing."""
    walked = []
    for number in range(runs):
        night = _walk(nights)
        progress(f"{number + 1}/{runs}: {'; '.join(night.faults) or 'clean'}")
        walked.append(night)
    pauses = [pause for night in walked if (pause := night.outcome.write_pause_ms) is not None]
    faults = [f"night {n}: {fault}" for n, each in enumerate(walked, 1) for fault in each.faults]
    return Result(
        name="ten_nights",
        title=f"{runs} unattended nights in a row",
        columns=COLUMNS,
        rows=[_row(number, night) for number, night in enumerate(walked, 1)],
        notes=[f"Median write pause: {median(pauses):.1f} ms."] if pauses else [],
        failures=faults,
        runs=walked,
    )


def _walk(nights: Path) -> Night:
    """One night; its place is known from its profile, and so is what was left there."""
    code, said, trouble = _rehearse()
    try:
        outcome = msgspec.json.decode(said, type=Outcome)
    except msgspec.MsgspecError as error:
        last = trouble.decode(errors="replace").strip().splitlines()[-1:]
        raise HostError(THIS_MACHINE, "walk a night", *last or [str(error)]) from error
    box = _place(load.read(nights_on_disk()[0].path / "profile.toml"))
    return Night(
        code=code,
        outcome=outcome,
        processes=left([nights, box], PATIENCE_S),
        folders=[str(box)] if box.exists() else [],
    )


def _rehearse() -> tuple[int, bytes, bytes]:
    """Exit code, output and errors of one night; SIGTERM makes it take down what it started."""
    with subprocess.Popen(
        [NIGHTFERRY, "rehearse", "--unattended", "--json"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            said, trouble = process.communicate(timeout=NIGHT_DEADLINE_S)
        except subprocess.TimeoutExpired as error:
            raise HostError(THIS_MACHINE, "walk a night", str(error)) from error
        finally:
            if process.poll() is None:
                process.terminate()
                process.communicate(timeout=END_DEADLINE_S)
    return process.returncode, said, trouble


def _place(profile: Profile) -> Path:
    """The folder of the rehearsal that this profile moves."""
    match profile.endpoints[0]:
        case PgBouncer() as pool:
            return Path(pool.config).parents[1]
        case ConnectionFile() as file:
            return Path(file.path).parent
        case other:
            raise HostError(THIS_MACHINE, "find the rehearsal", f"no file of {other.name}")


def _row(number: int, night: Night) -> list[str]:
    told = night.outcome
    counts = (told.acknowledged, told.lost, told.duplicated, told.failed)
    paused = "–" if told.write_pause_ms is None else f"{told.write_pause_ms:.1f}"
    remains = len(told.loose_ends) + len(night.processes) + len(night.folders)
    return [str(number), told.traffic, *map(str, counts), paused, str(remains)]


BENCHMARK = Benchmark("ten_nights", 10, measure)

if __name__ == "__main__":
    raise SystemExit(main(BENCHMARK))
