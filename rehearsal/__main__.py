"""``python -m rehearsal start``, ``… road FOLDER --delay-ms 20 --loss-percent 1`` (or
``--jitter-ms``, ``--rate-mbit``; what is not named stays), ``… fault FOLDER NAME [--undo]``, or
``… end FOLDER old|new``.

For a process that loads no driver. The answer is one JSON object on standard output; an error is
one too, and the exit code is then 1.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from profiles.errors import HostError, NightferryError
from rehearsal import box, faults, knobs
from rehearsal.box import Box
from rehearsal.folders import BoxState, stands_on
from rehearsal.ledger import Verdict
from rehearsal.processes import THIS_MACHINE
from rehearsal.wire import Conditions


async def start() -> dict[str, Any]:
    """Start one: its folder, its profile, and how its clients reach it."""
    started = await box.start()
    state = started.state()
    return {
        "folder": str(started.folder),
        "profile": str(started.profile_path),
        "traffic": state.traffic,
        "traffic_why": state.traffic_why,
        "stands_on": stands_on(state),
    }


async def road(folder: Path, typed: Mapping[str, str]) -> dict[str, Any]:
    """Change the road of one; what it is like now, and what it carried before."""
    running = Box(folder)
    wanted, wrong = knobs.turned(state_of(running).road or Conditions(), typed)
    if wrong:
        said = "; ".join(f"--{name}: {why}" for name, why in wrong.items())
        raise HostError(THIS_MACHINE, f"change the road of {folder}", said)
    carried = await running.road(wanted)
    before = f"{carried.frames} packets carried before, {carried.lost} lost"
    return {"says": f"The road is now: {knobs.said(wanted)} ({before})."}


async def fault(folder: Path, name: str, *, undo: bool) -> dict[str, Any]:
    """Make a fault of one, or take it back; what was done."""
    running = Box(folder)
    state_of(running)
    if name not in faults.BY_NAME:
        raise HostError(
            THIS_MACHINE, f"make the fault {name}", f"there is {', '.join(faults.BY_NAME)}"
        )
    return {"says": await running.fault(name, undo=undo)}


def state_of(running: Box) -> BoxState:
    """How a rehearsal is. Raises HostError when it is gone."""
    try:
        return running.state()
    except FileNotFoundError as error:
        tried = f"look at the rehearsal {running.folder}"
        raise HostError(THIS_MACHINE, tried, "there is none") from error


def named(options: Sequence[str]) -> dict[str, str]:
    """``--delay-ms 20`` as a name and a text; nothing where that is a wrong command line."""
    typed = {
        name.removeprefix("--"): text
        for name, text in zip(options[::2], options[1::2], strict=False)
    }
    wrong = len(options) % 2 or not set(typed) <= set(knobs.BY_NAME)
    return {} if wrong else typed


async def end(folder: Path, server: Literal["old", "new"]) -> dict[str, Any]:
    """Stop the application, hold its ledger against the server, take everything down."""
    ending = Box(folder)
    await ending.stop_application()
    try:
        verdict = await ending.compare(server)
    finally:
        await ending.end()
    return {"clean": verdict.clean, "says": says(verdict, server)}


def says(verdict: Verdict, server: str) -> str:
    """What the ledger says, in lines."""
    figures = (
        f"{verdict.acknowledged} writes acknowledged, {verdict.lost} lost,"
        f" {verdict.duplicated} duplicated, {verdict.failed} failed, {verdict.in_doubt} in doubt;"
        f" compared one by one with “{server}”"
    )
    return "\n".join([figures, *verdict.examples])


def main(words: list[str]) -> int:
    """Do what the command line says; the exit code."""
    try:
        match words:
            case ["start"]:
                said = asyncio.run(start())
            case ["road", folder, *options] if typed := named(options):
                said = asyncio.run(road(Path(folder), typed))
            case ["fault", folder, name]:
                said = asyncio.run(fault(Path(folder), name, undo=False))
            case ["fault", folder, name, "--undo"]:
                said = asyncio.run(fault(Path(folder), name, undo=True))
            case ["end", folder, ("old" | "new") as server]:
                said = asyncio.run(end(Path(folder), server))
            case _:
                print(__doc__, file=sys.stderr)
                return 2
    except NightferryError as error:
        said = {"where": error.where, "tried": error.tried, "answered": error.answered}
        print(msgspec.json.encode({**said, "remedy": error.remedy}).decode())
        return 1
    print(msgspec.json.encode(said).decode())
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
