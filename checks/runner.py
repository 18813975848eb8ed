"""Runs checks and streams what they find. It alone turns a missing right, a timeout or a missing
session, console or host into ``unknown``; an error of ours that is no answer is not caught.

Checks of one side run in their order, the sides beside each other, and checks that watch for a
while beside everything else (a session lets one statement wait for the one before it).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import NamedTuple

from checks.check import Check, Look, Said, no_window
from profiles.errors import AnswerError, DeadlineError, NightferryError
from profiles.findings import Finding
from profiles.profile import ConnectionFile, PgBouncer

INSUFFICIENT_PRIVILEGE = "42501"


class Turn(NamedTuple):
    """One run of one check, for one side or endpoint."""

    check: Check
    name: str
    """``source``, ``destination``, ``both``, ``night`` or an endpoint's name."""


async def run_checks(checks: Iterable[Check], look: Look) -> AsyncIterator[Finding]:
    """Every check's finding, as soon as it is there."""
    found: asyncio.Queue[Finding | None] = asyncio.Queue()

    async def all_lanes() -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for lane in _lanes(turns(checks, look)):
                    group.create_task(_walk(lane, look, found))
        finally:
            found.put_nowait(None)

    running = asyncio.create_task(all_lanes())
    try:
        while (finding := await found.get()) is not None:
            yield finding
        await running
    finally:
        running.cancel()
        await asyncio.wait({running})


def turns(checks: Iterable[Check], look: Look) -> list[Turn]:
    """Every run that the checks ask for, for the endpoints the profile has."""
    return [
        Turn(check, name) for check in checks for side in check.sides for name in _names(side, look)
    ]


async def look_once(turn: Turn, look: Look) -> Finding:
    """One run, within its deadline, as a finding."""
    check, name = turn
    deadline_s = check.deadline_s + check.window_s(look.profile.thresholds)
    try:
        async with asyncio.timeout(deadline_s):
            said = await check.run(look, name)
    except (TimeoutError, DeadlineError) as error:
        said = _unknown(f"no answer within {deadline_s:g} s", str(error))
    except AnswerError as error:
        said = _not_answered(error)
    except NightferryError as error:
        said = _unknown(error.answered, str(error))
    return _finding(turn, said, look)


def _names(side: str, look: Look) -> list[str]:
    endpoints = look.profile.endpoints
    match side:
        case "pooler":
            return [one.name for one in endpoints if isinstance(one, PgBouncer)]
        case "file":
            return [one.name for one in endpoints if isinstance(one, ConnectionFile)]
        case "endpoint":
            return [one.name for one in endpoints if isinstance(one, PgBouncer | ConnectionFile)]
        case _:
            return [side]


def _lanes(every: list[Turn]) -> list[list[Turn]]:
    lanes: dict[object, list[Turn]] = {}
    for turn in every:
        watches = turn.check.window_s is not no_window
        lanes.setdefault((turn.check.id, turn.name) if watches else turn.name, []).append(turn)
    return list(lanes.values())


async def _walk(lane: list[Turn], look: Look, found: asyncio.Queue[Finding | None]) -> None:
    for turn in lane:
        found.put_nowait(await look_once(turn, look))


def _unknown(figure: str, says: str) -> Said:
    return Said(verdict="unknown", figure=f"not looked at: {figure}", says=says)


def _not_answered(error: AnswerError) -> Said:
    if error.code != INSUFFICIENT_PRIVILEGE:
        return _unknown(error.answered, str(error))
    said = _unknown("the role may not look", str(error))
    return Said(
        verdict=said.verdict,
        figure=said.figure,
        says=said.says,
        todo="Give the profile a superuser's login for this server.",
    )


def _finding(turn: Turn, said: Said, look: Look) -> Finding:
    check, name = turn
    server, database = _whose(name, look, "sql" in check.needs)
    return said.of(check.id, check.phase, server=server, database=database)


def _whose(name: str, look: Look, sql: bool) -> tuple[str | None, str | None]:
    match name:
        case "source" | "destination":
            return look.server(name).name, look.profile.database if sql else None
        case "both":
            return None, look.profile.database
        case "night":
            return None, None
        case _:
            return name, None
