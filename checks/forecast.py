"""From readings of the replication: when it has caught up, or that it never will, and why.

Pure arithmetic over plain figures; knows no server.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

MIN_SAMPLES = 5
"""Below this many readings there is no forecast, only noise."""
WINDOW = 30
"""Only this many of the newest readings count."""
CAUGHT_UP_BYTES = 65536
"""So little is always on its way on a busy server."""

Limit = Literal["none", "write", "apply"]


class Point(msgspec.Struct, frozen=True):
    """One reading, as far as the forecast needs it."""

    at_s: float
    behind_bytes: int
    write_rate: float | None = None
    """Bytes of log a second that the source wrote."""
    apply_rate: float | None = None
    """Bytes of log a second that the destination applied."""


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """When it has caught up, in seconds; None: not at this rate, or too early to say."""

    caught_up_in_s: float | None = None
    limit: Limit = "none"
    """``apply``: it falls behind because rows are applied too slowly; ``write``: it catches up,
    but more than half of what is applied is new writes."""
    enough: bool = False
    """Whether there were readings enough to say anything."""


def forecast(points: Sequence[Point]) -> Forecast:
    """The forecast from readings in the order of time."""
    recent = points[-WINDOW:]
    if len(recent) < MIN_SAMPLES or recent[-1].at_s <= recent[0].at_s:
        return Forecast()
    behind = recent[-1].behind_bytes
    if behind <= CAUGHT_UP_BYTES:
        return Forecast(caught_up_in_s=0.0, enough=True)
    closing = -slope(recent)
    if closing <= 0:
        return Forecast(limit="apply", enough=True)
    writing = _mean([point.write_rate for point in recent])
    limit: Limit = "write" if writing > closing else "none"
    return Forecast(caught_up_in_s=behind / closing, limit=limit, enough=True)


def slope(points: Sequence[Point]) -> float:
    """By how many bytes a second the distance grows: the line with the least squares."""
    at_mean = sum(point.at_s for point in points) / len(points)
    behind_mean = sum(point.behind_bytes for point in points) / len(points)
    spread = sum((point.at_s - at_mean) ** 2 for point in points)
    if spread == 0:
        return 0.0
    together = sum((p.at_s - at_mean) * (p.behind_bytes - behind_mean) for p in points)
    return together / spread


def _mean(rates: Sequence[float | None]) -> float:
    known = [rate for rate in rates if rate is not None]
    return sum(known) / len(known) if known else 0.0
