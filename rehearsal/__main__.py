"""``python -m rehearsal start`` or ``… end FOLDER old|new``, for a process that loads no driver.

The answer is one JSON object on standard output; an error is one too, and the exit code is then 1.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any, Literal

import msgspec

from profiles.errors import NightferryError
from rehearsal import box
from rehearsal.box import Box
from rehearsal.ledger import Verdict


async def start() -> dict[str, Any]:
    """Start one: its folder, its profile, and how its clients reach it."""
    started = await box.start()
    state = started.state()
    return {
        "folder": str(started.folder),
        "profile": str(started.profile_path),
        "traffic": state.traffic,
        "traffic_why": state.traffic_why,
    }


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
