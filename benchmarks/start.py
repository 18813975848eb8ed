"""From ``nightferry rehearse`` to the first usable screen, and what the engine costs meanwhile.

The floor is what nobody can do without: ``initdb`` and the start of both servers, in the same run.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import msgspec

from benchmarks.command import NIGHTFERRY, Benchmark, main, progress
from benchmarks.followed import following, rehearsal
from benchmarks.processes import memory_mib, processor_s
from benchmarks.results import Aim, Result
from benchmarks.terminal import Terminal
from engine.client import Client, connect
from profiles.errors import EvidenceError
from profiles.events import Sampled
from profiles.nights import nights as nights_on_disk
from rehearsal import binaries, server
from rehearsal.box import Box
from rehearsal.folders import root
from rehearsal.world import VERSIONS
from tui.rehearse import box_of

SCREEN_AIM_S = 3.0
MEMORY_AIM_MIB = 120.0
PROCESSOR_AIM = 0.03
STREAMING_S = 25.0
SCREEN_DEADLINE_S = 120.0
DRAWN = r"The servers\b"
FOUND = r"What was found[\s\S]*?(pass|note|warn|stop) "
COLUMNS = ("what", "runs", "median", "all")


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """One start, and the floor beside it; seconds."""

    floor_s: float
    screen_s: float
    """The Servers screen is drawn, with the servers of the profile."""
    findings_s: float
    """It shows the first findings."""


class Streaming(msgspec.Struct, frozen=True, kw_only=True):
    """The engine while the new server follows and a window listens."""

    seconds: float
    samples: int
    memory_mib: float
    """The most it has had since it was started."""
    processor: float
    """Of one core: 0.01 is one percent."""


def measure(runs: int, nights: Path) -> Result:
    """So many starts, each beside its floor, and one engine. Raises what keeps one from running."""
    starts = []
    for number in range(runs):
        floor_s = asyncio.run(_floor())
        screen_s, findings_s = _first_screen()
        starts.append(Start(floor_s=floor_s, screen_s=screen_s, findings_s=findings_s))
        progress(f"{number + 1}/{runs}: {screen_s:.2f} s, floor {floor_s:.2f} s")
    return _result(starts, asyncio.run(_streaming()))


async def _floor() -> float:
    """Both servers by nothing but ``initdb`` and a start, side by side; seconds."""
    folder = _passable_folder()
    found = binaries.runnable(binaries.find(), folder)
    servers = [server.Server(name, found[VERSIONS[name]], folder / name, "x") for name in VERSIONS]
    try:
        began = time.monotonic()
        await asyncio.gather(*(_bring_up(each) for each in servers))
        return time.monotonic() - began
    finally:
        await asyncio.gather(*(each.stop() for each in servers))
        shutil.rmtree(folder)


def _passable_folder() -> Path:
    """A new folder that the servers' user can pass through."""
    folder = Path(tempfile.mkdtemp(prefix="nightferry-bench-", dir=root()))
    folder.chmod(0o711)
    return folder


async def _bring_up(made: server.Server) -> None:
    await server.make(made.programs, made.folder, made.password)
    server.configure(made.folder, server.SETTINGS)
    await made.start()


def _first_screen() -> tuple[float, float]:
    """Seconds from the command to the screen, and to its findings; then the rehearsal is ended."""
    began = time.monotonic()
    try:
        with Terminal([NIGHTFERRY, "rehearse"]) as terminal:
            drawn = terminal.see(DRAWN, SCREEN_DEADLINE_S)
            found = terminal.see(FOUND, SCREEN_DEADLINE_S)
            terminal.press("q")
            terminal.see("end the rehearsal", SCREEN_DEADLINE_S)
            terminal.press("e")
            if code := terminal.end():
                raise EvidenceError("the wizard", "end the rehearsal", f"exit code {code}")
    finally:
        _end_what_is_left()
    return drawn - began, found - began


def _end_what_is_left() -> None:
    """The rehearsals of nights whose wizard did not end them."""
    for night in nights_on_disk():
        if (box := box_of(night.path)) is not None:
            asyncio.run(Box(box).end())


async def _streaming() -> Streaming:
    async with (
        rehearsal() as box,
        following(box) as night,
        await connect(night.night, watch=True) as window,
    ):
        state = await window.caught_up()
        assert state.engine_pid is not None
        return await _watched(window, state.engine_pid)


async def _watched(window: Client, pid: int) -> Streaming:
    """What the engine uses while a window reads every event."""
    began, used_s, samples = time.monotonic(), processor_s(pid), 0
    try:
        async with asyncio.timeout(STREAMING_S):
            async for event in window:
                samples += isinstance(event, Sampled)
    except TimeoutError:
        seconds = time.monotonic() - began
    return Streaming(
        seconds=seconds,
        samples=samples,
        memory_mib=memory_mib(pid),
        processor=(processor_s(pid) - used_s) / seconds,
    )


def _result(starts: Sequence[Start], streaming: Streaming) -> Result:
    screens = [start.screen_s for start in starts]
    return Result(
        name="start",
        title="From `nightferry rehearse` to the first screen, and what the engine costs",
        columns=COLUMNS,
        rows=[
            _row("initdb and start of both servers (the floor)", [s.floor_s for s in starts]),
            _row("the first screen", screens),
            _row("the first screen with findings", [s.findings_s for s in starts]),
        ],
        notes=[
            f"The engine over {streaming.seconds:.0f} s of streaming under load, a reading a"
            f" second ({streaming.samples}): {streaming.memory_mib:.0f} MiB at most,"
            f" {streaming.processor:.1%} of a core."
        ],
        aims=_aims(median(screens), streaming),
        runs=[*starts, streaming],
    )


def _row(what: str, seconds: Sequence[float]) -> list[str]:
    every = " ".join(f"{each:.2f}" for each in seconds)
    return [what, str(len(seconds)), f"{median(seconds):.2f} s", every]


def _aims(screen_s: float, streaming: Streaming) -> list[Aim]:
    memory_mib, processor = streaming.memory_mib, streaming.processor
    return [
        Aim(f"first screen ≤ {SCREEN_AIM_S:g} s", f"{screen_s:.2f} s", screen_s <= SCREEN_AIM_S),
        Aim(
            f"engine ≤ {MEMORY_AIM_MIB:g} MiB",
            f"{memory_mib:.0f} MiB",
            memory_mib <= MEMORY_AIM_MIB,
        ),
        Aim(
            f"engine ≤ {PROCESSOR_AIM:.0%} of a core",
            f"{processor:.1%}",
            processor <= PROCESSOR_AIM,
        ),
    ]


BENCHMARK = Benchmark("start", 3, measure)

if __name__ == "__main__":
    raise SystemExit(main(BENCHMARK))
