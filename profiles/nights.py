"""Where the nights are on this machine: their folders, which of them is live, and its socket.

Knows folders and the lock on a journal; never what a night is about, and never a pid.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import socket
import stat
import time
import unicodedata
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from profiles import journal
from profiles.errors import EngineError
from profiles.files import private_folder, sync_folder

SOCKET = "engine.sock"
SOCKET_PATH_BYTES = 107
"""The longest path of a UNIX socket on Linux: ``sun_path`` less its closing NUL (unix(7))."""
SHORT_FOLDER = Path("/tmp")
"""Fixed: windows and engine must agree on it, and their TMPDIR may differ."""
SHORT_DIGITS = 16
BEING_MADE_S = 60.0
"""How old a short folder is at least before it is taken for a dead engine's."""
STAMP_LENGTH = len("YYYYMMDD-HHMM-xxxx")


class NightFolder(NamedTuple):
    """One night on disk; ``live`` when an engine holds it."""

    name: str
    path: Path
    live: bool


def state_folder() -> Path:
    """Where the nights are: below XDG_STATE_HOME, which counts only when it is absolute."""
    named = Path(os.environ.get("XDG_STATE_HOME", ""))
    home = named if named.is_absolute() else Path.home() / ".local" / "state"
    return home / "nightferry" / "nights"


def new_night(profile_name: str, now: datetime) -> Path:
    """A new folder (0700) for a night that begins now. Raises EngineError."""
    stamp = now.astimezone(UTC).strftime("%Y%m%d-%H%M")
    folder = state_folder() / f"{slug(profile_name)}-{stamp}-{secrets.token_hex(2)}"
    try:
        private_folder(folder.parent)
        folder.mkdir(mode=0o700)
        sync_folder(folder.parent)
    except OSError as error:
        remedy = "Set XDG_STATE_HOME to a folder that can be written, or try again."
        answered = error.strerror or str(error)
        raise EngineError(str(folder), "make the night's folder", answered, remedy) from error
    return folder


def nights() -> list[NightFolder]:
    """Every night on this machine, the newest first. Raises JournalError."""
    root = state_folder()
    folders = [each for each in root.iterdir() if each.is_dir()] if root.is_dir() else []
    folders.sort(key=lambda each: each.name[-STAMP_LENGTH:], reverse=True)
    return [NightFolder(each.name, each, journal.is_live(each)) for each in folders]


def the_night(name: str) -> NightFolder:
    """The night of that name, live or not. Raises EngineError when there is none."""
    known = nights()
    for night in known:
        if night.name == name:
            return night
    names = ", ".join(night.name for night in known) or "no night at all"
    raise EngineError(name, "find this night", f"there is no such night; there is {names}")


def the_live_night(name: str | None) -> NightFolder:
    """The live night of that name; without a name the only live one. Raises EngineError."""
    if name is not None:
        night = the_night(name)
        if not night.live:
            raise _none_live(night.name)
        return night
    live = [night for night in nights() if night.live]
    if not live:
        raise _none_live("this machine")
    if len(live) > 1:
        names = "\n".join(f"  {night.name}" for night in live)
        raise EngineError(
            "this machine",
            "find the live night",
            f"there are {len(live)}:\n{names}",
            "Name one of them.",
        )
    return live[0]


def socket_path(folder: Path) -> Path:
    """The engine's socket: in the night's folder, or in a short private one where that is too long.

    Nothing is made: who looks for an engine that is none leaves nothing. Raises EngineError when
    the short folder belongs to somebody else.
    """
    path = folder.resolve() / SOCKET
    if len(os.fsencode(path)) <= SOCKET_PATH_BYTES:
        return path
    hashed = hashlib.sha256(os.fsencode(path)).hexdigest()[:SHORT_DIGITS]
    short = SHORT_FOLDER / f"{_short_prefix()}{hashed}"
    if not _is_ours(short) and os.path.lexists(short):
        answered = "it is not a private folder of this user"
        raise EngineError(str(short), "use it for the engine's socket", answered, "Remove it.")
    return short / SOCKET


def make_socket_path(folder: Path) -> Path:
    """The same for the engine itself: a short folder is there on return, until `clear_socket`.

    Short folders of engines that were killed are taken away. Raises EngineError.
    """
    _clear_dead_sockets()
    path = socket_path(folder)
    if path.parent != folder.resolve():
        with contextlib.suppress(FileExistsError):
            path.parent.mkdir(mode=0o700)
    return socket_path(folder)


def clear_socket(folder: Path) -> None:
    """Take the socket away, and the short folder where it had one: the engine's last act."""
    path = socket_path(folder)
    path.unlink(missing_ok=True)
    if path.parent != folder.resolve():
        with contextlib.suppress(FileNotFoundError):
            path.parent.rmdir()


def _short_prefix() -> str:
    return f"nightferry-{os.geteuid()}-"


def _is_ours(short: Path) -> bool:
    """A folder, no link, of this user, that nobody else may enter."""
    try:
        seen = short.lstat()
    except OSError:
        return False
    private = stat.S_ISDIR(seen.st_mode) and not stat.S_IMODE(seen.st_mode) & 0o077
    return private and seen.st_uid == os.geteuid()


def _clear_dead_sockets() -> None:
    """Short folders that no engine answers in; one that is just being made is left alone."""
    named = re.compile(rf"{re.escape(_short_prefix())}[0-9a-f]{{{SHORT_DIGITS}}}")
    before_s = time.time() - BEING_MADE_S
    for short in SHORT_FOLDER.glob(f"{_short_prefix()}*"):
        with contextlib.suppress(OSError):  # another engine is as quick, or something else is there
            known = named.fullmatch(short.name) and _is_ours(short)
            if known and short.lstat().st_mtime < before_s and not _answers(short / SOCKET):
                (short / SOCKET).unlink(missing_ok=True)
                short.rmdir()


def _answers(path: Path) -> bool:
    """Somebody listens on the socket; a queue that is full is an answer too."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.setblocking(False)
        try:
            line.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except BlockingIOError:
            return True
    return True


def slug(name: str) -> str:
    """The name in small letters, digits and dashes, for a folder: ``Köln 2`` becomes ``koln-2``."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:40].strip("-") or "night"


def _none_live(where: str) -> EngineError:
    answered = "no engine is running"
    return EngineError(where, "find the live night", answered, "Start one with: nightferry")
