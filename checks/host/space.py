"""Whether the disks hold what the night will put on them: the copy, and the log that waits for it.

Pure arithmetic, shown with its figures.
"""

from __future__ import annotations

import msgspec

from checks.check import Said
from checks.figures import duration, size

GROWTH = 1.1
"""The copy brings no bloat along, but the source grows on, and an index is sorted before it is."""
TIGHT = 1.2
"""Below this the operator is told that it will be tight."""
ROAD = 30e6
"""Bytes a second that a copy makes on a poor road, where nothing is known of this one."""
TWICE = 2.0
"""What has piled up during the copy is there until it has been worked off."""
AT_LEAST_S = 3600.0


class Copy(msgspec.Struct, frozen=True, kw_only=True):
    """What the destination's disk has to take, in bytes."""

    database: int
    """Tables and indexes, as they are on the source."""
    there: int = 0
    """What of it is on the destination already."""
    wal: int = 0
    """What the destination's own log may grow to, where it is on the same filesystem."""

    @property
    def wanted(self) -> int:
        """So much has to be free."""
        return max(round(self.database * GROWTH) - self.there, 0) + self.wal


def for_copy(free: int, copy: Copy, mount: str) -> Said:
    """Does the destination's disk take the copy?"""
    figure = f"{size(free)} free on {mount}, {size(copy.wanted)} wanted"
    sums = [f"{size(copy.database)} of tables and indexes × {GROWTH:g} for growth"]
    sums += [f"− {size(copy.there)} there already"] * bool(copy.there)
    sums += [f"+ {size(copy.wal)} of its own log (max_wal_size)"] * bool(copy.wal)
    evidence = f"{' '.join(sums)} = {size(copy.wanted)}"
    if free < copy.wanted:
        says = "The disk would be full before the copy ends."
        todo = "Make it larger, or move the data directory to one that is."
        return Said(verdict="stop", figure=figure, says=says, evidence=evidence, todo=todo)
    if free < TIGHT * copy.wanted:
        says = "It will be tight."
        return Said(verdict="warn", figure=figure, says=says, evidence=evidence)
    return Said(verdict="pass", figure=figure, evidence=evidence)


class Log(msgspec.Struct, frozen=True, kw_only=True):
    """The log that the source keeps until the destination has it."""

    write_rate: float
    """Bytes a second."""
    to_copy: int
    left_s: float | None = None
    """Until the night has to be finished; None without such a time."""
    slot_keeps: int | None = None
    """``max_slot_wal_keep_size`` in bytes; None: no limit."""

    @property
    def kept_s(self) -> float:
        """For how long it has to be kept: twice the copy, or all of the night."""
        copying_s = max(TWICE * self.to_copy / ROAD, AT_LEAST_S)
        return copying_s if self.left_s is None else max(self.left_s, copying_s)

    @property
    def wanted(self) -> float:
        """Bytes that have to be free."""
        return self.write_rate * self.kept_s


def for_log(free: int, log: Log, mount: str) -> Said:
    """Does the source's disk take the log that waits for the destination?"""
    kept = size(log.wanted)
    figure = f"{size(free)} free on {mount}, {kept} of log wanted"
    evidence = f"{size(log.write_rate)}/s of log × {duration(log.kept_s)} = {kept}"
    if free < log.wanted:
        lasts = f"It is full after {duration(free / log.write_rate)}, and the source stops."
        if log.slot_keeps is not None and log.slot_keeps <= free:
            lasts = "max_slot_wal_keep_size protects the disk, and the copy would begin again."
        todo = "Free or add space for pg_wal before the copy begins."
        return Said(verdict="stop", figure=figure, says=lasts, evidence=evidence, todo=todo)
    if log.slot_keeps is not None and log.slot_keeps < log.wanted:
        says = f"The slot keeps {size(log.slot_keeps)} only (max_slot_wal_keep_size): it is lost."
        todo = f"Raise it above {kept}."
        return Said(verdict="warn", figure=figure, says=says, evidence=evidence, todo=todo)
    if free < TIGHT * log.wanted:
        return Said(verdict="warn", figure=figure, says="It will be tight.", evidence=evidence)
    return Said(verdict="pass", figure=figure, evidence=evidence)
