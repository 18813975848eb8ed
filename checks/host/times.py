"""From two readings of the kernel's counters: how the time of CPU and disks went between them.

Pure. A counter that went backwards, and a disk that had nothing to do, give None.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from checks.host.sections import wholes

CPU_FIELDS = 8
"""user nice system idle iowait irq softirq steal; guest time is in user already (proc(5))."""
IDLE, IOWAIT, STEAL = 3, 4, 7
DISK_FIELDS = 11
"""Since Linux 2.6; discards came with 4.18, flushes with 5.5 (admin-guide/iostats)."""
SECTOR = 512
READS, READ_SECTORS, READ_MS = 0, 2, 3
WRITES, WRITE_SECTORS, WRITE_MS = 4, 6, 7
BUSY_MS = 9
FLUSHES, FLUSH_MS = 15, 16


class CpuShares(NamedTuple):
    """Percent of the time of all processors."""

    busy: float | None = None
    steal: float | None = None
    iowait: float | None = None


class DiskRates(NamedTuple):
    """What a disk did in a second, and how long one request took."""

    reads: float | None = None
    writes: float | None = None
    read_bytes: float | None = None
    write_bytes: float | None = None
    read_ms: float | None = None
    write_ms: float | None = None
    flush_ms: float | None = None
    busy_percent: float | None = None


def cpu_shares(before: str | None, after: str | None) -> CpuShares:
    """From two ``cpu`` lines of /proc/stat."""
    was, now = (wholes((line or "").split()[1 : CPU_FIELDS + 1]) for line in (before, after))
    if was is None or now is None or not len(was) == len(now) == CPU_FIELDS:
        return CpuShares()
    # iowait may go backwards by a little (proc(5)).
    spent = [max(new - old, 0) for old, new in zip(was, now, strict=True)]
    total = sum(spent)
    if not total:
        return CpuShares()
    idle = spent[IDLE] + spent[IOWAIT]
    return CpuShares(*(100 * part / total for part in (total - idle, spent[STEAL], spent[IOWAIT])))


def disk_rates(before: Sequence[str], after: Sequence[str], passed_s: float | None) -> DiskRates:
    """From two lines of /proc/diskstats, as words behind the disk's name."""
    was, now = wholes(before), wholes(after)
    if was is None or now is None or not passed_s or len(was) != len(now) or len(was) < DISK_FIELDS:
        return DiskRates()
    done = [new - old for old, new in zip(was, now, strict=True)]
    if min(done[:8]) < 0 or done[BUSY_MS] < 0:
        return DiskRates()
    flushes = len(done) > FLUSH_MS
    return DiskRates(
        reads=done[READS] / passed_s,
        writes=done[WRITES] / passed_s,
        read_bytes=done[READ_SECTORS] * SECTOR / passed_s,
        write_bytes=done[WRITE_SECTORS] * SECTOR / passed_s,
        read_ms=_each(done[READ_MS], done[READS]),
        write_ms=_each(done[WRITE_MS], done[WRITES]),
        flush_ms=_each(done[FLUSH_MS], done[FLUSHES]) if flushes else None,
        busy_percent=min(done[BUSY_MS] / (passed_s * 10), 100.0),
    )


def _each(total_ms: int, count: int) -> float | None:
    return total_ms / count if count > 0 else None
