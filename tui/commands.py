"""What the commands do: choose a night, say where it stands, abort, report, show the wizard.

Reads journals and asks engines; prints nothing but what stands after the wizard has gone.
"""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import click
import msgspec

from engine.client import Client, connect, new_id
from engine.launch import ensure_engine
from profiles import journal
from profiles import report as reports
from profiles.errors import EngineError, RefusedError
from profiles.files import write_whole
from profiles.fold import Night, fold
from profiles.nights import NightFolder, nights, the_night
from profiles.requests import Abort
from tui.words import header
from tui.words.text import plain
from tui.words.view import View

REPORT = "report.md"
ABORT_DEADLINE_S = 60.0
HUNG_UP = 128
"""Exit codes above tell of a signal: there may be no terminal left to write to."""
WIDE = 400
"""Cells: the line of state is for a log here, and nothing of it is cut off."""


class SeveralNights(click.ClickException):
    """Several nights could be meant: they are listed."""

    exit_code = 2

    def __init__(self, found: Sequence[NightFolder]) -> None:
        names = "\n".join(f"  {night.name}" for night in found)
        super().__init__(f"there are {len(found)} nights; name one of them:\n{names}")


def chosen(
    name: str | None, *, live: bool = False, otherwise: Literal["armed", "newest"] | None = None
) -> Path:
    """The folder of the night that is meant: the named one, or the only live one.

    With ``live`` the named one has to have an engine. Where none is live, ``otherwise`` takes those
    whose stretch is armed, or the newest. Raises EngineError when there is none, SeveralNights
    when there are several.
    """
    if name is not None:
        night = the_night(name)
        if live and not night.live:
            raise _no_engine(night.name)
        return night.path
    known = nights()
    found = [night for night in known if night.live]
    if not found and otherwise == "armed":
        found = [night for night in known if state_of(night.path).armed]
    if not found and otherwise == "newest":
        found = known[:1]
    if len(found) > 1:
        raise SeveralNights(found)
    if not found:
        raise _none_live(known)
    return found[0].path


def state_of(folder: Path) -> Night:
    """Where the night stands by its journal. Raises JournalError."""
    return fold(journal.read_events(folder).events)


def status(folder: Path, as_json: bool) -> str:
    """Where the night stands, for a person or as one JSON object."""
    said = _standing(folder, state_of(folder))
    if as_json:
        return msgspec.json.encode(said).decode()
    lines = [f"{said['night']}: {said['state']}", f"phase       {said['phase']}"]
    if said["stretch"]:
        lines.append(
            f"stretch     {said['stretch']['state']}, attempt {said['stretch']['attempt']}"
        )
    lines += [f"loose end   {end['what']} on {end['server']}" for end in said["loose_ends"]]
    if said["lag"]:
        lines.append(f"behind      {_behind(said['lag'])}")
    running = "running" if said["live"] else f"not running; nightferry attach {said['night']}"
    return "\n".join([*lines, f"engine      {running}", f"journal     {said['journal']}"])


def abort(folder: Path) -> str:
    """Abort what is armed; what became of it. Raises EngineError, RefusedError."""
    ensure_engine(folder)
    return asyncio.run(_abort(folder))


def report(folder: Path) -> tuple[Path, str]:
    """The report as it stands now, and the file it is kept in. Raises JournalError, OSError."""
    text = reports.report(journal.read_events(folder).events)
    path = folder / REPORT
    write_whole(path, text.encode())
    return path, text


def show(folder: Path | None, *, watching: bool = False, mouse: bool = True) -> int:
    """The wizard until it is left, then a summary; the exit code. Raises EngineError.

    Without ``mouse`` the terminal keeps the mouse to itself: it selects text as it always does.
    """
    from tui import rehearse, terminal
    from tui.app import Nightferry

    if folder is not None and not watching:
        ensure_engine(folder)
    window = Nightferry(folder, watch=watching, rehearse=rehearse.begin)
    with rehearse.kept_alive(lambda: window.folder), terminal.title_kept(os.environ):
        # What was loaded stays: looking through it again and again would hold up a key for 40 ms.
        gc.freeze()
        parted = window.run(mouse=mouse)
    code = window.return_code or 0
    if window.folder is None or code >= HUNG_UP:
        return code
    if not watching:
        code = rehearse.end_if_over(window.folder, asked=parted == "end") or code
    click.echo(summary(window.folder))
    return code


def summary(folder: Path) -> str:
    """Where the night stands, and where its journal and report are."""
    said = _standing(folder, state_of(folder))
    path, _ = report(folder)
    lines = [f"{said['night']}: {said['state']}", f"journal  {said['journal']}", f"report   {path}"]
    if said["live"]:
        back = f"nightferry attach {said['night']}"
        lines.append(f"The night goes on without this window. Come back with: {back}")
    return "\n".join(lines)


async def _abort(folder: Path) -> str:
    async with await connect(folder) as client:
        night = await client.caught_up()
        if not night.armed:
            return f"{folder.name}: nothing is armed; there is nothing to abort"
        await _ask_to_abort(client)
        return f"{folder.name}: {_state_line(client.state)}"


async def _ask_to_abort(client: Client) -> None:
    await client.send(Abort(id=new_id()))
    try:
        await client.until(lambda night: not night.armed, ABORT_DEADLINE_S)
    except RefusedError:
        # A restarted engine may have undone it before it read the request.
        if client.state.armed:
            raise


def _standing(folder: Path, night: Night) -> dict[str, Any]:
    ends = [end.loose_end for end in night.open_loose_ends()]
    stretch, sample = night.stretch, night.samples[-1] if night.samples else None
    return {
        "night": folder.name,
        "live": journal.is_live(folder),
        "state": _state_line(night),
        "phase": night.current_phase(),
        "ended": night.ended,
        "stretch": stretch
        and {
            "attempt": stretch.attempt,
            "state": stretch.state,
            "paused_ms": stretch.paused_ms,
        },
        "writes_stopped": night.writes_stopped is not None,
        "loose_ends": [{"id": end.id, "server": end.server, "what": end.what} for end in ends],
        "lag": sample
        and {
            "at": sample.at,
            "behind_bytes": sample.behind_bytes,
            "behind_s": sample.behind_s,
            "caught_up_in_s": sample.caught_up_in_s,
            "trouble": sample.trouble,
        },
        "journal": str(folder / journal.FILE),
    }


def _state_line(night: Night) -> str:
    return plain(header.state(View(night=night, now=datetime.now(UTC)), WIDE)).strip()


def _behind(lag: dict[str, Any]) -> str:
    figures = [
        f"{lag['behind_bytes']} bytes" if lag["behind_bytes"] is not None else "",
        f"{lag['behind_s']:.1f} s" if lag["behind_s"] is not None else "",
        lag["trouble"],
        f"at {lag['at']:%H:%M:%S} UTC",
    ]
    return " · ".join(figure for figure in figures if figure)


def _no_engine(where: str) -> EngineError:
    return EngineError(
        where, "find its engine", "none is running", f"Start one: nightferry attach {where}"
    )


def _none_live(known: Sequence[NightFolder]) -> EngineError:
    names = ", ".join(night.name for night in known) or "none was ever begun"
    return EngineError(
        "this machine",
        "find the live night",
        f"no engine is running; the nights here: {names}",
        "Name one of them, or begin one with: nightferry",
    )
