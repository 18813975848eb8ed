"""How long the copy of a database takes on a road, when it has caught up, and whether in time.

Pure arithmetic over plain figures; knows no server. While the tables are copied the changes pile
up, at the rate the source writes its log; afterwards they are worked off as fast as the slower of
the road and the destination allows, while new ones go on coming.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import msgspec

from checks.figures import duration, size

YEAR_S = 365 * 86400.0
"""What takes longer than this is as good as never."""


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be carried; bytes, and bytes a second."""

    to_copy: float
    throughput: float
    """What the road carries, of the kind the copy will take."""
    write_rate: float
    apply_rate: float | None = None
    """What the destination applies; None: as much as the road carries."""

    @property
    def catching_up(self) -> float:
        """Bytes a second by which the destination gains on the source; 0 or less: never."""
        return self.worked_off - self.write_rate

    @property
    def worked_off(self) -> float:
        """Bytes of log a second that arrive and are applied."""
        if self.apply_rate is None:
            return self.throughput
        return min(self.throughput, self.apply_rate)


class Copying(msgspec.Struct, frozen=True, kw_only=True):
    """When what is done; None: never."""

    load: Load
    copy_s: float | None
    total_s: float | None
    """Until it has caught up."""
    left_s: float | None = None
    """From now to the time it has to be finished by; None without one."""
    now: datetime

    @property
    def caught_up_at(self) -> datetime | None:
        """When it has caught up, begun now."""
        return None if self.total_s is None else self.now + timedelta(seconds=self.total_s)

    @property
    def last_start(self) -> datetime | None:
        """The last sensible start: begun later it is not caught up in time. May be past."""
        if self.total_s is None or self.left_s is None:
            return None
        return self.now + timedelta(seconds=self.left_s - self.total_s)

    @property
    def in_time(self) -> bool:
        """Whether it catches up, and before it has to."""
        return self.total_s is not None and (self.left_s is None or self.total_s <= self.left_s)


def foreseen(load: Load, now: datetime, finish_by: datetime | None = None) -> Copying:
    """What becomes of a copy that begins now."""
    copy_s = _within_a_year(load.to_copy / load.throughput if load.throughput > 0 else math.inf)
    total_s = None
    if copy_s is not None and load.catching_up > 0:
        total_s = _within_a_year(copy_s * load.worked_off / load.catching_up)
    left_s = None if finish_by is None else (finish_by - now).total_seconds()
    return Copying(load=load, copy_s=copy_s, total_s=total_s, left_s=left_s, now=now)


def _within_a_year(seconds: float) -> float | None:
    return seconds if seconds <= YEAR_S else None


def throughput_needed(load: Load, within_s: float) -> float | None:
    """Bytes a second the road has to carry for it to be caught up in that time; None: no road can.

    With `worked_off` A, the whole takes to_copy / throughput × A / (A - write_rate).
    """
    if within_s <= 0:
        return None
    the_road_limits = load.write_rate + load.to_copy / within_s
    apply = load.apply_rate
    if apply is None or the_road_limits <= apply:
        return the_road_limits
    if apply <= load.write_rate:
        return None
    return load.to_copy * apply / (within_s * (apply - load.write_rate))


def write_rate_needed(load: Load, within_s: float) -> float | None:
    """Bytes a second the source may write for it to be caught up in that time; None: too late."""
    if within_s <= 0 or load.throughput <= 0:
        return None
    share = 1 - load.to_copy / (load.throughput * within_s)
    return load.worked_off * share if share >= 0 else None


def sentence(copying: Copying) -> str:
    """What the operator is told, in one or two sentences."""
    load = copying.load
    if copying.copy_s is None:
        return f"The copy of {size(load.to_copy)} does not end: {_rate(load.throughput)} arrives."
    said = f"The copy of {size(load.to_copy)} takes {duration(copying.copy_s)}"
    said += f" at {_rate(load.throughput)}"
    if copying.total_s is None:
        return f"{said}, but it never catches up: {_never(load)}"
    said += f" and has caught up {_moment(copying.caught_up_at)}, after {duration(copying.total_s)}"
    if copying.left_s is None:
        return f"{said}."
    start = _moment(copying.last_start)
    if copying.in_time:
        return f"{said}. The last sensible start is {start}."
    late_s = copying.total_s - copying.left_s
    return f"{said}, {duration(late_s)} too late; it had to start {start}. {_in_time(copying)}"


def _never(load: Load) -> str:
    writes, off = _rate(load.write_rate), _rate(load.worked_off)
    the_road = load.worked_off == load.throughput
    limit = "the road" if the_road else "applying on the destination"
    return (
        f"{writes} is written and only {off} is worked off. {limit.capitalize()} would have to "
        f"manage more than {writes}, or the source write less than {off}."
    )


def _in_time(copying: Copying) -> str:
    left_s = copying.left_s or 0.0
    faster = throughput_needed(copying.load, left_s)
    quieter = write_rate_needed(copying.load, left_s)
    ways = []
    if faster is not None:
        ways.append(f"a road of {_rate(faster)}")
    if quieter is not None:
        ways.append(f"a source that writes no more than {_rate(quieter)}")
    if not ways:
        return "It can only be finished later."
    return f"In time it would be with {' or '.join(ways)}."


def _rate(bytes_a_second: float) -> str:
    return f"{size(bytes_a_second)}/s"


def _moment(at: datetime | None) -> str:
    return f"at {at:%Y-%m-%d %H:%M} UTC" if at else "never"
