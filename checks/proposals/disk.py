"""What the write test of a disk says: how long a write takes until it is really there.

Knows dd's last line; who runs it is a step of its own.
"""

from __future__ import annotations

import re

import msgspec

BLOCK = 8192
"""A page of PostgreSQL, and what is written at the least at a commit."""

_COPIED = re.compile(r"(\d+) bytes? .*copied, ([\d.,e-]+) s")


class DiskTest(msgspec.Struct, frozen=True):
    """One run of it."""

    writes: int
    took_s: float

    @property
    def fsync_ms(self) -> float:
        """One write and its way to the disk, on average."""
        return self.took_s * 1000 / self.writes

    @property
    def writes_a_second(self) -> float:
        """One after the other."""
        return self.writes / self.took_s


def disk_test(answer: str) -> DiskTest | None:
    """What dd printed last; None where it wrote nothing, or was another program."""
    found = _COPIED.search(answer)
    if found is None:
        return None
    writes, took_s = int(found[1]) // BLOCK, float(found[2].replace(",", "."))
    return DiskTest(writes, took_s) if writes and took_s > 0 else None
