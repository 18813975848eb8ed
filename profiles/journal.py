"""The journal of a night: append-only JSON lines in one file, with one writer at a time.

Knows the file, its lock and its first line; what the events mean stands in `profiles.fold`. The
lock is flock(2) on the file itself, so that it goes when its holder dies, however it dies.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import msgspec

from profiles.errors import JournalError, JournalLockedError, JournalVersionError
from profiles.events import Event, decode, encode
from profiles.files import sync_folder

FORMAT = 1
"""The major version of the journal's format; another one is refused."""
FILE = "journal.jsonl"
LOCK_WAIT_S = 0.25
"""`is_live` holds the lock for an instant while it looks: an engine waits that out."""


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The first line of a journal."""

    journal: int = FORMAT
    night: str
    version: str
    """Of Nightferry."""
    profile: str
    """The profile's name."""


class Reading(NamedTuple):
    """What stands in a journal; ``torn`` is how many bytes of a last line are not whole."""

    header: Header
    events: list[Event]
    torn: int


class Journal:
    """The journal as its one writer holds it: locked from creation or opening until `close`."""

    def __init__(self, path: Path, handle: int, reading: Reading, size: int) -> None:
        self.path = path
        self.header, self.events, self.torn = reading
        """What stood in it when it was opened; ``torn`` bytes were cut off its end."""
        self._handle = handle
        self._size = size

    @classmethod
    def create(cls, folder: Path, *, night: str, version: str, profile: str) -> Journal:
        """A new journal in the night's folder. Raises JournalError when there is one already."""
        path = folder / FILE
        header = Header(night=night, version=version, profile=profile)
        with _errors_of(path, "create the journal"):
            handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
            with _closed_on_error(handle):
                _lock(handle, path)
                journal = cls(path, handle, Reading(header, [], 0), 0)
                journal._write(msgspec.json.encode(header) + b"\n")
                journal.sync()
                sync_folder(folder)
        return journal

    @classmethod
    def open(cls, folder: Path) -> Journal:
        """The journal of a night that goes on; a torn last line is cut off.

        Raises JournalLockedError, JournalVersionError, JournalError.
        """
        path = folder / FILE
        with _errors_of(path, "open the journal"):
            handle = os.open(path, os.O_RDWR | os.O_APPEND)
            with _closed_on_error(handle):
                _lock(handle, path)
                data = path.read_bytes()
                reading = _parsed(path, data)
                whole = len(data) - reading.torn
                if reading.torn:
                    os.ftruncate(handle, whole)
                    os.fsync(handle)
        return cls(path, handle, reading, whole)

    def append(self, event: Event, wait: bool = True) -> None:
        """Write one event; with ``wait`` it is on disk when this returns (one fsync).

        Without, it survives the end of this process and `sync` makes it survive a power cut. Raises
        JournalError, and then the journal ends where it did before.
        """
        self._write(encode(event) + b"\n")
        if wait:
            self.sync()

    def sync(self) -> None:
        """One fsync for everything written so far. Raises JournalError."""
        with _errors_of(self.path, "put the journal on disk"):
            os.fsync(self._handle)

    def close(self) -> None:
        """Let go of the lock; what was written stays."""
        os.close(self._handle)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _write(self, line: bytes) -> None:
        with _errors_of(self.path, "write to the journal"):
            try:
                rest = line
                while rest:  # a disk that fills up takes a part first, and then answers ENOSPC
                    rest = rest[os.write(self._handle, rest) :]
            except OSError:
                os.ftruncate(self._handle, self._size)
                raise
        self._size += len(line)


def read_events(folder: Path) -> Reading:
    """What stands in a night's journal, read without its lock, while an engine may be writing.

    Raises JournalVersionError, JournalError.
    """
    path = folder / FILE
    with _errors_of(path, "read the journal"):
        return _parsed(path, path.read_bytes())


def is_live(folder: Path) -> bool:
    """Whether an engine holds this night. Raises JournalError when that cannot be seen."""
    path = folder / FILE
    with _errors_of(path, "look whether the journal is locked"):
        try:
            handle = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(handle)
    return False


def _parsed(path: Path, data: bytes) -> Reading:
    first, *lines = data.split(b"\n")
    header = _header(path, first if lines else b"")
    events = []
    torn = len(lines.pop())
    for number, line in enumerate(lines, start=2):
        try:
            events.append(decode(line))
        except msgspec.MsgspecError as error:
            if number <= len(lines):
                raise _damaged(path, f"line {number} is not an event ({error})") from None
            torn += len(line) + 1
    return Reading(header, events, torn)


def _header(path: Path, line: bytes) -> Header:
    try:
        version = msgspec.json.decode(line, type=dict[str, object]).get("journal")
        if isinstance(version, int) and version != FORMAT:
            raise JournalVersionError(
                str(path),
                "read the journal",
                f"it has format {version}, and this version reads format {FORMAT}",
                "Go on with the version of Nightferry that began this night.",
            )
        return msgspec.json.decode(line, type=Header)
    except msgspec.MsgspecError as error:
        raise _damaged(path, f"the first line is not that of a journal ({error})") from None


def _damaged(path: Path, answered: str) -> JournalError:
    remedy = "Keep the file as it is, and begin a new night: it asks the servers what holds."
    return JournalError(str(path), "read the journal", answered, remedy)


def _lock(handle: int, path: Path) -> None:
    give_up = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > give_up:
                raise JournalLockedError(
                    str(path),
                    "take the lock of the journal",
                    "another engine holds this night",
                    "Attach to it with: nightferry attach",
                ) from None
            time.sleep(0.01)
        else:
            return


@contextlib.contextmanager
def _errors_of(path: Path, tried: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        remedy = "See to the disk and the folder, then start the engine again: it goes on."
        raise JournalError(str(path), tried, error.strerror or str(error), remedy) from error


@contextlib.contextmanager
def _closed_on_error(handle: int) -> Iterator[None]:
    try:
        yield
    except BaseException:
        os.close(handle)
        raise
