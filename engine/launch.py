"""Begins a night on the disk, and sees to it that an engine serves it.

Loads no driver and no screen: every window and every command comes through here.
"""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from engine import VERSION
from engine import keeper as keeping
from engine.night import LiveNight
from engine.wire import decode_welcome, encode_line
from profiles import load
from profiles.errors import EngineError
from profiles.events import NightBegan
from profiles.fold import Night
from profiles.journal import Journal, is_live
from profiles.nights import new_night, socket_path
from profiles.profile import FORMAT, Profile
from profiles.requests import Hello

LOG = "engine.log"
PROFILE = "profile.toml"
KEEPER = (sys.executable, "-m", "engine.keeper")
POLL_S = 0.02
HELLO_DEADLINE_S = 1.0
LOG_LINES_TOLD = 8
NO_EVENTS = 2**62
"""As ``after_seq``: nothing is to be replayed."""


def begin(profile: Profile) -> Path:
    """The folder of a new night on that profile: a copy of it, and a journal that has begun.

    Raises JournalError or ProfileError when they cannot be written.
    """
    folder = new_night(profile.name, datetime.now(UTC))
    load.write(folder / PROFILE, profile)
    names = {"night": folder.name, "version": VERSION, "profile": profile.name}
    with Journal.create(folder, **names) as journal:
        began = NightBegan(profile=msgspec.to_builtins(profile), version=VERSION)
        LiveNight(folder, journal, Night()).publish(began)
    return folder


def begin_draft(name: str) -> Path:
    """The folder of a new night of which only the profile's name is known; raises JournalError."""
    folder = new_night(name, datetime.now(UTC))
    raw = {"profile": FORMAT, "name": name, "databases": [], "source": {}, "destination": {}}
    with Journal.create(folder, night=folder.name, version=VERSION, profile=name) as journal:
        began = NightBegan(profile=raw, version=VERSION, draft=True)
        LiveNight(folder, journal, Night()).publish(began)
    return folder


def ensure_engine(folder: Path, deadline_s: float = 10.0, keeper: Sequence[str] = KEEPER) -> None:
    """Return once an engine serves the night: the one that does, or one started here.

    Raises EngineError, with the end of its log, when none answers within the deadline.
    """
    until = time.monotonic() + deadline_s
    started = False
    while not answers(folder):
        if time.monotonic() > until:
            raise _silent(folder, f"no answer within {deadline_s:g} s")
        if not is_kept(folder):
            if started:
                raise _silent(folder, "it ended as it began")
            # An engine without a keeper lets a new one be only when it has gone.
            if not is_live(folder):
                started = _start(folder, keeper)
        time.sleep(POLL_S)


def answers(folder: Path) -> bool:
    """An engine says hello on the night's socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(HELLO_DEADLINE_S)
        try:
            line.connect(str(socket_path(folder)))
            line.sendall(encode_line(Hello(id="answers", watch=True, after_seq=NO_EVENTS)))
            with line.makefile("rb") as lines:
                decode_welcome(lines.readline())
        except (OSError, msgspec.MsgspecError):
            return False
    return True


def is_kept(folder: Path) -> bool:
    """A keeper holds the night: an engine runs, or is about to run again."""
    try:
        with (folder / keeping.LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _start(folder: Path, keeper: Sequence[str]) -> bool:
    """Start a keeper, detached from this process and its terminal; it has its lock on return.

    Always True. A keeper that found the lock taken leaves the night to the one that has it.
    """
    log = os.open(folder / LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        subprocess.run(
            [*keeper, str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd=keeping.ROOT,
            check=False,
        )
    finally:
        os.close(log)
    return True


def _silent(folder: Path, answered: str) -> EngineError:
    log = folder / LOG
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    tail = "\n  ".join(["", *lines[-LOG_LINES_TOLD:]])
    return EngineError(
        folder.name, "start the engine", answered, f"The end of {log}:{tail or ' (empty)'}"
    )
