"""Whether the copy comes along as fast as was foreseen, and if not, by how much it will be late.

Pure arithmetic; knows no server. What was foreseen is what the Network test measured.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from checks.figures import duration, size

SLOW = 0.8
"""Below this share of the foreseen rate it is said."""
FINE = 0.9
"""Above this one it is taken back; between them what was said stands."""
TOO_EARLY_S = 60.0
LEAST_SHARE = 0.01
"""Before a hundredth is there, and a minute has passed, nobody can say."""


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """A copy on its way; bytes, and bytes a second."""

    total: float
    done: float
    began: datetime
    now: datetime
    foreseen: float
    """What the road carries, as it was measured before."""

    @property
    def rate(self) -> float:
        """On average, since it began."""
        passed_s = (self.now - self.began).total_seconds()
        return self.done / passed_s if passed_s > 0 else 0.0

    @property
    def early(self) -> bool:
        """Whether too little of it has happened."""
        too_soon = self.now - self.began < timedelta(seconds=TOO_EARLY_S)
        return too_soon or self.foreseen <= 0 or self.done < LEAST_SHARE * self.total

    @property
    def late_s(self) -> float | None:
        """By how much it ends later than foreseen, in seconds; None: nothing arrives."""
        if self.rate <= 0:
            return None
        return self.total / self.rate - self.total / self.foreseen

    @property
    def ends(self) -> datetime | None:
        """When it does, at this rate; None: never."""
        if self.rate <= 0:
            return None
        return self.began + timedelta(seconds=self.total / self.rate)


def is_slow(pace: Pace, *, was: bool) -> bool:
    """Whether it falls short of what was foreseen; ``was``: what was said of it last."""
    if pace.early:
        return was
    share = pace.rate / pace.foreseen
    return share < (FINE if was else SLOW)


def sentence(pace: Pace, *, slow: bool) -> str:
    """What the operator is told when that has changed: since when, how much, and until when."""
    rates = f"{size(pace.rate)}/s, {size(pace.foreseen)}/s were foreseen"
    if not slow:
        return f"The copy is as fast as foreseen again: {rates}."
    said = f"The copy is slower than foreseen since {pace.now:%H:%M} UTC: {rates}."
    if pace.ends is None or pace.late_s is None:
        return f"{said} Nothing arrives."
    share = f"{size(pace.done)} of {size(pace.total)} are there"
    return f"{said} {share}; it ends about {pace.ends:%H:%M} UTC, {duration(pace.late_s)} later."
