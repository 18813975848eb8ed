"""An edit that waits for its moment: whole and on disk, beside the file whose place it will take.

Knows files of this machine; `connections.ssh_host` has the same for another one.
"""

from __future__ import annotations

import asyncio
import contextlib
import glob
import os
import shutil
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from profiles.errors import HostError
from profiles.files import sync_folder

NEW_FILE_MODE = 0o644
CHANGED = "it has changed since the edit was made ready"


class Prepared(Protocol):
    """One edit of one file, made ready."""

    async def take(self) -> str:
        """Puts the new file in the place of the old one, in one act; returns the backup's path.

        Raises HostError, also when the file is no longer what it was: then it is as it is now.
        """

    async def drop(self) -> None:
        """Takes away what was made ready and not used; never raises."""


class PreparedHere:
    """Of a file of this machine."""

    def __init__(self, host: str, real: Path, new: Path, backup: Path, before: bytes) -> None:
        self._host = host
        self._real = real
        self._new = new
        self._backup = backup
        self._before = before
        self._taken = False
        self._syncing: asyncio.Future[None] | None = None

    async def take(self) -> str:
        """As `Prepared.take`; that the name survives a power cut is not waited for."""
        tried = f"write {self._real}"
        try:
            if await asyncio.to_thread(self._swap):
                self._taken = True
                loop = asyncio.get_running_loop()
                self._syncing = loop.run_in_executor(None, sync_folder, self._real.parent)
                return str(self._backup)
        except OSError as error:
            raise HostError(self._host, tried, error.strerror or str(error)) from error
        raise HostError(self._host, tried, CHANGED)

    async def drop(self) -> None:
        """As `Prepared.drop`."""
        with contextlib.suppress(OSError):
            if self._syncing is not None:
                await self._syncing
            if not self._taken:
                self._new.unlink(missing_ok=True)
                self._backup.unlink(missing_ok=True)

    def _swap(self) -> bool:
        if self._real.read_bytes() != self._before:
            return False
        self._new.replace(self._real)
        return True


def replaced(path: str, content: bytes, creates: bool) -> str:
    """Puts the content there in one act; returns the backup's path, if any. Raises OSError."""
    real = Path(path).resolve(strict=not creates)
    there = real.exists()
    real, new, backup = _stage(real, content)
    new.replace(real)
    sync_folder(real.parent)
    return str(backup) if there else ""


def staged(path: str, content: bytes) -> tuple[Path, Path, Path]:
    """The file, the new one on disk beside it, and its backup. Raises OSError."""
    return _stage(Path(path).resolve(strict=True), content)


def _stage(real: Path, content: bytes) -> tuple[Path, Path, Path]:
    """The file, the new one beside it, and where its backup is, if there is anything to back up.

    What an engine that was killed has made ready for it is taken away first.
    """
    for left in real.parent.glob(f".{glob.escape(real.name)}.nightferry-*"):
        left.unlink(missing_ok=True)
    model = real if real.exists() else None
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    backup = real.with_name(f"{real.name}.nightferry-{stamp}")
    if model is not None:
        _write_like(backup, model.read_bytes(), model)
    new = real.with_name(f".{real.name}.nightferry-{stamp}")
    _write_like(new, content, model)
    return real, new, backup


def _write_like(path: Path, content: bytes, model: Path | None) -> None:
    """A new file on disk, with the model's owner, mode and extended attributes; or none."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            if model is None:
                os.fchmod(descriptor, NEW_FILE_MODE)
            else:
                _make_like(path, descriptor, model)
            os.fsync(descriptor)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _make_like(path: Path, descriptor: int, model: Path) -> None:
    status = model.stat()
    if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
        os.fchown(descriptor, status.st_uid, status.st_gid)
    shutil.copystat(model, path)
    os.fchmod(descriptor, stat.S_IMODE(status.st_mode))
    os.utime(path)
