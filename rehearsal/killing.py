"""The fault that is none of the servers': the engine that moves a rehearsal is killed.

Done by whoever asks, not by the rehearsal's own process: only the user's nights say who that is.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

from profiles.errors import HostError
from profiles.fold import fold
from profiles.journal import read_events
from profiles.nights import nights
from rehearsal.folders import BOX
from rehearsal.processes import THIS_MACHINE

KILL = "kill the engine of the rehearsal"


def kill(box: Path) -> str:
    """SIGKILL to the engine whose night moves that rehearsal; says so.

    Raises HostError, JournalError.
    """
    night = _night(box)
    pid = fold(read_events(night).events).engine_pid
    if pid is None or not _is_engine(pid, night):
        raise HostError(THIS_MACHINE, KILL, f"the night {night.name} has no engine just now")
    os.kill(pid, signal.SIGKILL)
    return f"The engine (pid {pid}) was killed. Its keeper starts another; see the journal (l)."


def says() -> str:
    """What there is to take back: nothing."""
    return "There is nothing to take back: its keeper has started another engine."


def _night(box: Path) -> Path:
    for night in nights():
        note = night.path / BOX
        if night.live and note.exists() and Path(note.read_text()) == box:
            return night.path
    raise HostError(THIS_MACHINE, KILL, "no live night moves this rehearsal")


def _is_engine(pid: int, night: Path) -> bool:
    """A pid from a journal may be another process by now: its command line names the night."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return "engine.main" in words and str(night) in words
