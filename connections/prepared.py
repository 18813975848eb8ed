"""An edit that waits for its moment: whole and on disk, beside the file whose place it will take.

Knows files of this machine; `connections.ssh_host` has the same for another one.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Protocol

from profiles.errors import HostError
from profiles.files import sync_folder

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
