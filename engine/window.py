"""One window on the night, from the engine's side: what it is sent, and never waited for.

Knows its connection and the journal's file; knows no request's meaning.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import msgspec

BUFFER_LIMIT_BYTES = 1 << 20
"""A window with more than this unsent is too slow: it is dropped, and may come back."""
CHUNK_BYTES = 1 << 18
REPLAY_DEADLINE_S = 10.0
"""How long one chunk of the replay may take to be read."""
GOODBYE_DEADLINE_S = 1.0

log = logging.getLogger(__name__)


class _Numbered(msgspec.Struct):
    seq: int = 0


_numbered = msgspec.json.Decoder(_Numbered)


class Window:
    """A connection that said hello; ``live`` once it has been sent everything up to now."""

    def __init__(self, writer: asyncio.StreamWriter, *, watch: bool) -> None:
        self.watch = watch
        self.live = False
        self._writer = writer

    def send(self, line: bytes) -> None:
        """Hand over one line, or drop the window; never waits."""
        transport = self._writer.transport
        if transport.is_closing():
            return
        if transport.get_write_buffer_size() > BUFFER_LIMIT_BYTES:
            self.drop("it does not read what it is sent")
            return
        self._writer.write(line)

    async def replay(self, journal: Path, after_seq: int) -> None:
        """Send the journalled events after that number; on return not one is missing.

        Raises TimeoutError when the window does not read. The last look at the file and the
        return have no await between them, so whoever goes live right after misses nothing.
        """
        for lines in _lines_after(journal, after_seq):
            self._writer.write(lines)
            async with asyncio.timeout(REPLAY_DEADLINE_S):
                await self._writer.drain()

    def drop(self, why: str) -> None:
        """End the connection at once; what was not sent yet is lost."""
        log.warning("a window was dropped: %s", why)
        self._writer.transport.abort()

    async def close(self) -> None:
        """End the connection after what was sent, within `GOODBYE_DEADLINE_S`."""
        self._writer.close()
        try:
            async with asyncio.timeout(GOODBYE_DEADLINE_S):
                await self._writer.wait_closed()
        except (OSError, TimeoutError):
            self._writer.transport.abort()


def _lines_after(journal: Path, after_seq: int) -> Iterator[bytes]:
    """The journal's lines after that number, some at a time, as they stand in the file."""
    with journal.open("rb") as file:
        file.readline()
        while lines := file.readlines(CHUNK_BYTES):
            yield b"".join(line for line in lines if _numbered.decode(line).seq > after_seq)
